"""mlseg trains medical segmentation networks and tells how far their confidence can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlseg.metrics.score import score as score

__version__ = "0.1.0"
__all__ = ["__version__", "score"]


def __getattr__(name: str) -> Any:
    # `import mlseg` takes milliseconds; torch is imported when `score` is first asked for.
    if name == "score":
        from mlseg.metrics.score import score

        return score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
