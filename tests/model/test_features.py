"""The trimmed tower and the embedding path give what the stock class and processor give."""

import numpy as np
import pytest
import torch

from otoloop.model.bases import random_base
from otoloop.model.embed import embeddings, tokenize
from otoloop.model.features import encode, n_tokens
from otoloop.model.generate import generate


@pytest.fixture(scope="module")
def base():
    return random_base(0)


def wave(seconds, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(int(16000 * seconds)) / 16000
    return (0.3 * np.sin(2 * np.pi * 700 * t) + 0.05 * rng.standard_normal(len(t))).astype(np.float32)


def stock(base, text, waves):
    return base.processor(text=text, audio=waves, sampling_rate=16000, return_tensors="pt", padding=True)


PROMPT = (
    "<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nWhat is it?<|im_end|>\n<|im_start|>assistant\n"
)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.337, 7.0])
def test_trimmed_path_equals_the_stock_forward(base, seconds):
    clip = wave(seconds)
    batch = stock(base, [PROMPT], [clip])
    with torch.inference_mode():
        expected = base.model(**batch).logits[0, -1]
    feature = encode(base, [clip])[0]
    assert (
        feature.shape[0]
        == n_tokens(len(clip))
        == int((batch["input_ids"] == base.tokenizer.convert_tokens_to_ids("<|AUDIO|>")).sum())
    )
    rows = [tokenize(base.tokenizer, PROMPT, len(feature))]
    assert rows[0].ids == batch["input_ids"][0].tolist()
    with torch.inference_mode():
        hidden, mask = embeddings(base.parts, rows, [feature], side="left", pad=base.tokenizer.pad_token_id)
        got = base.parts.head(base.parts.lm(inputs_embeds=hidden, attention_mask=mask).last_hidden_state)[0, -1]
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=2e-4)


def test_features_do_not_depend_on_company(base):
    clips = [wave(1.0, 1), wave(2.0, 2), wave(1.0, 3)]
    together = encode(base, clips)
    for one, clip in zip(together, clips, strict=True):
        torch.testing.assert_close(one, encode(base, [clip])[0], atol=1e-5, rtol=1e-4)


def test_refuses_what_the_stock_processor_would_cut(base):
    with pytest.raises(ValueError, match=r"31\.00 s"):
        encode(base, [np.zeros(31 * 16000, dtype=np.float32)])


def test_batched_generation_equals_single(base):
    features = encode(base, [wave(1.0, 1), wave(2.5, 2)])
    prompts = [PROMPT, PROMPT.replace("What is it?", "What do you hear at this machine?")]
    both = generate(base.model, base.tokenizer, prompts, features, max_new_tokens=12)
    for prompt, feature, answer in zip(prompts, features, both, strict=True):
        assert generate(base.model, base.tokenizer, [prompt], [feature], max_new_tokens=12)[0].text == answer.text
