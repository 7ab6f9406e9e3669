"""Lines of the benchmark's table."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Line:
    """One figure. Against nginx when `reference` is set; judged by `ratio` when that is set, else by `value`."""

    what: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    budget: float | None = None
    more_is_better: bool = False
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "is_met": self.is_met}

    @property
    def is_met(self) -> bool | None:
        if self.budget is None:
            return None
        judged = self.ratio if self.ratio is not None else self.value
        return judged >= self.budget if self.more_is_better else judged <= self.budget


def as_markdown(lines: list[Line]) -> str:
    rows = ["| What | Dragoman | Reference | Ratio | Budget | Met |", "|---|---:|---:|---:|---:|---|"]
    for line in lines:
        sign = "≥" if line.more_is_better else "≤"
        rows.append(
            f"| {line.what}{f' ({line.note})' if line.note else ''} | {_number(line.value)} {line.unit} | "
            f"{_number(line.reference) if line.reference is not None else ''} | "
            f"{f'{line.ratio:.2f}' if line.ratio is not None else ''} | "
            f"{f'{sign} {line.budget:g}' if line.budget is not None else ''} | "
            f"{'' if line.is_met is None else 'yes' if line.is_met else '**no**'} |"
        )
    return "\n".join(rows) + "\n"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
