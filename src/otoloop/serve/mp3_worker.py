"""The child process that decodes one MP3: ``python -m otoloop.serve.mp3_worker SOURCE TARGET MEMORY_MB CPU_S``."""

from __future__ import annotations

import sys

from otoloop.audio.decode_worker import limit_cpu, limit_memory


def main(source: str, target: str, memory_mb: int, cpu_s: int) -> None:
    """Decode ``source`` into a WAV of 16 bit; exits with one line of reason if that fails."""
    import soundfile

    limit_memory(memory_mb)
    limit_cpu(cpu_s)
    try:
        with soundfile.SoundFile(source) as file:
            if file.format not in ("MP3", "MPEG"):
                sys.exit(f"it is {file.format}, not MP3")
            soundfile.write(target, file.read(dtype="int16"), file.samplerate, format="WAV", subtype="PCM_16")
    except (soundfile.LibsndfileError, MemoryError) as err:
        sys.exit(f"{type(err).__name__}: {err}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
