"""Questions that are declined: what a person feels is never read from their voice, whoever asks."""

from __future__ import annotations

import re

_FEELING = re.compile(
    r"\b(?:emotions?|emotional(?:ly)?|moods?|feelings?|temper|sentiments?)\b|感情|気持ち|気分|機嫌|情緒", re.IGNORECASE
)
_ADJECTIVE = re.compile(
    r"\b(?:feel(?:s|ing)?|angry|anger|mad|furious|annoyed|irritated|frustrated|sad|unhappy|happy|joyful|cheerful|upset|afraid|"
    r"scared|fear(?:ful)?|frightened|nervous|anxious|anxiety|worried|stress(?:ed|ful)?|tired|exhausted|depressed|bored|"
    r"excited|calm|disgusted|surprised|lying|honest|sincere|motivated|satisfied)\b|"
    r"怒っ|怒り|悲し|嬉し|喜ん|不安|緊張|疲れ|苛立|イライラ|ストレス|怖が|焦っ|落ち込|退屈|興奮|不満",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"\b(?:operators?|workers?|persons?|people|man|men|woman|women|he|she|they|him|her|speakers?|voices?|technicians?|"
    r"colleagues?|employees?|staff|somebody|someone|anybody|anyone|everybody|everyone|human|boss|foreman|caller|talker|"
    r"who|guys?|crew|team)\b|人|彼|彼女|作業員|作業者|従業員|社員|話者|声|技術者|担当者|上司|誰|みんな",
    re.IGNORECASE,
)

DECLINED = {
    "en": "I listen to machines. What people feel is not judged here.",
    "ja": "機械の音だけを聞きます。人の感情は判断しません。",
}


def about_feelings(question: str) -> bool:
    """Whether a question asks what people feel; a machine may be stressed, tired or calm."""
    return bool(_FEELING.search(question) or (_ADJECTIVE.search(question) and _PERSON.search(question)))


def trace(lang: str) -> str:
    """The answer to such a question, as a direct trace."""
    return f"<THINK></THINK><RESPONSE>{DECLINED[lang]}</RESPONSE>"
