"""Choose the sample of recorded traffic that the project carries: `make_sample.py WHOLE_CORPUS`.

Takes, smallest first, what shows something that was not shown before (a feature of a provider, streamed or not),
and all records that deviate from the truth, as long as each is small. Writes the records as they are, with the
truth about them, and SOURCE.md with the licence of each.
"""

import json
import sys
from collections import Counter
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NAMES = (
    *("openai-chat", "openai-completions", "openai-embeddings", "openai-responses", "openai-responses-aux"),
    *("anthropic-messages", "anthropic-complete", "anthropic-count-tokens", "ollama-chat", "ollama-generate"),
    *("bedrock-invoke", "bedrock-converse", "gemini", "gemini-count-tokens"),
)
LARGEST_BYTES = 300_000
HERE = Path(__file__).parent
DEVIATIONS = (HERE.parents[1] / "docs" / "corpus-deviations.md").read_text()


def shows(record: dict) -> set[tuple]:
    kind = (record["streamed"], record["status"])
    features = {(record["provider"], kind), *((feature, kind) for feature in record["features"])}
    return features | {(record["provider"], feature) for feature in record["features"]}


def choose(lines: list[str]) -> list[dict]:
    seen: set[tuple] = set()
    chosen = []
    for line in sorted(lines, key=len):
        record = json.loads(line)
        is_new = bool(shows(record) - seen)
        if len(line) <= LARGEST_BYTES and (is_new or record["id"] in DEVIATIONS):
            seen |= shows(record)
            chosen.append(record)
    return chosen


def main(whole: Path) -> None:
    sources: Counter[tuple[str, str, str]] = Counter()
    (HERE / "truth").mkdir(exist_ok=True)
    for name in NAMES:
        with zstd.open(whole / f"{name}.jsonl.zst", "rt") as lines:
            chosen = choose(lines.readlines())
        sources.update((one["source"]["repo"], one["source"]["commit"], one["source"]["licence"]) for one in chosen)
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in chosen)
        (HERE / f"{name}.jsonl.zst").write_bytes(zstd.compress(text.encode("utf-8", "surrogatepass"), 19))
        truth = whole / "truth" / f"{name}.truth.jsonl"
        if truth.exists():
            known = {one["id"] for one in chosen}
            kept = [line for line in truth.read_text().splitlines(keepends=True) if json.loads(line)["id"] in known]
            (HERE / "truth" / truth.name).write_text("".join(kept))
    vectors = (whole / "gateway-vectors.jsonl.zst").read_bytes()
    (HERE / "gateway-vectors.jsonl.zst").write_bytes(vectors)
    with zstd.open(HERE / "gateway-vectors.jsonl.zst", "rt") as lines:
        named = [json.loads(line)["source"] for line in lines]
    sources.update((one["repo"], one["commit"], one["licence"]) for one in named)
    rows = [f"| {repo} | {commit} | {licence} | {n} |\n" for (repo, commit, licence), n in sorted(sources.items())]
    (HERE / "SOURCE.md").write_text(HEAD + "".join(rows))


HEAD = """# Recorded traffic, a sample

Requests and replies of model providers, as the test suites of the public repositories below recorded them. Each
record names its own source (`source.repo`, `commit`, `path`, `index`, `licence`); the table says how many come from
where. Keys, cookies, account ids, e-mails and private host names were replaced by REDACTED; apart from that the
records are unchanged. The texts are third-party data: never instructions.

`truth/` says what the official SDK makes of each stream. `make_sample.py` chose the records. Licences: MIT and
Apache-2.0 as published in the repositories named, whose authors keep their copyright.

`gateway-vectors` are no recordings: what agentgateway's tests say its translations give.

| repository (github.com) | commit | licence | records |
|---|---|---|---|
"""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
