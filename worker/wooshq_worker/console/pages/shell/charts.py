"""Charts as SVG, made on the server: a line, bars, a bar of parts. Colours come from the style sheet by class. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

_PAD: Final = 2.0


def sparkline(values: Sequence[float], label: str, *, width: int = 120, height: int = 28) -> Markup:
    """A line of values, the oldest first, from 0 to the largest. label: what it shows, for who cannot see it."""
    points = _points(values, width, height)
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    area = f"0,{height} {line} {width},{height}" if points else ""
    last = Markup('<circle cx="{}" cy="{}" r="2"/>').format(f"{points[-1][0]:g}", f"{points[-1][1]:g}") if points else ""
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}" preserveAspectRatio="none">'
        '<polygon points="{area}"/><polyline points="{line}"/>{last}</svg>'
    ).format(w=width, h=height, label=label, area=area, line=line, last=last)


def bars(values: Sequence[float], label: str, *, width: int = 240, height: int = 48, titles: Sequence[str] = (), tone: str = "") -> Markup:
    """A bar for each value, from 0 to the largest. titles: what each bar says under the pointer. tone: `bad`, `wait`, `good`, or the accent."""
    most = max((value for value in values), default=0) or 1
    step = width / max(1, len(values))
    gap = 1 if step > 3 else 0
    drawn = []
    for place, value in enumerate(values):
        tall = 0.0 if value <= 0 else max(1.5, value / most * (height - 1))
        title = Markup("<title>{}</title>").format(titles[place]) if place < len(titles) else ""
        drawn.append(
            Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="{}">{}</rect>').format(
                f"{place * step:g}", f"{height - tall:g}", f"{max(0.5, step - gap):g}", f"{tall:g}", 1 if step > 5 else 0, title
            )
        )
    base = Markup('<line x1="0" x2="{w}" y1="{h}" y2="{h}"/>').format(w=width, h=height - 0.5)
    return Markup(
        '<svg class="bars" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}" data-tone="{tone}" '
        'preserveAspectRatio="none">{base}{drawn}</svg>'
    ).format(w=width, h=height, label=label, tone=tone, base=base, drawn=Markup("").join(drawn))


def strip(values: Sequence[float], label: str, *, width: int = 192, height: int = 32) -> Markup:
    """Bars as one shape, for a list of many charts: `bars` makes an element for each value."""
    most = max(values, default=0) or 1
    step = width / max(1, len(values))
    wide = max(0.5, step - 1)
    drawn = "".join(
        f"M{place * step:g} {height}v-{max(1.5, value / most * (height - 1)):.4g}h{wide:g}v{max(1.5, value / most * (height - 1)):.4g}z"
        for place, value in enumerate(values)
        if value > 0
    )
    return Markup(
        '<svg class="bars" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}" preserveAspectRatio="none">'
        '<line x1="0" x2="{w}" y1="{base}" y2="{base}"/><path d="{drawn}"/></svg>'
    ).format(w=width, h=height, label=label, base=height - 0.5, drawn=drawn)


def parts(counts: Sequence[tuple[str, float, str]], label: str, *, width: int = 400, height: int = 8) -> Markup:
    """One bar of parts. counts: (what, how many, tone), in order; those of none are left out."""
    total = sum(count for _, count, _ in counts)
    shown = [(what, count, tone) for what, count, tone in counts if count > 0]
    drawn, at = [], 0.0
    for what, count, tone in shown:
        wide = max(1.0, count / total * width)
        title = Markup("<title>{}: {}</title>").format(what, f"{count:,g}")
        drawn.append(
            Markup('<rect x="{}" y="0" width="{}" height="{}" data-tone="{}">{}</rect>').format(
                f"{at:.2f}", f"{max(0.5, wide - 1):.2f}", height, tone, title
            )
        )
        at += wide
    return Markup('<svg class="parts" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>').format(
        f"{max(at, width):g}", height, label, Markup("").join(drawn)
    )


def _points(values: Sequence[float], width: int, height: int) -> list[tuple[float, float]]:
    if not values:
        return []
    most = max(values) or 1
    step = width / max(1, len(values) - 1)
    tall = height - 2 * _PAD
    return [(round(place * step, 2), round(height - _PAD - max(0.0, value) / most * tall, 2)) for place, value in enumerate(values)]
