"""`geomrob sparsefool`: how few pixels of each image change the prediction."""

from typing import Any, Literal

from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session
from geomrob.errors import UsageError

LEVEL = 1 / 255

Few = Literal["pixels", "elements"]


def sparsefool(
    *,
    options: Common = Common(),
    lam: float = 3.0,
    radius: float | None = None,
    target: str | None = None,
    steps: int = 50,
    inner_overshoot: float | None = None,
    inner_steps: int | None = None,
    growth: float | None = None,
    published: bool = False,
    prune: bool = False,
    count: Few | None = None,
    budget: int | None = None,
    uint8: bool = False,
) -> int:
    """Change as few pixels of each image as it takes for another prediction; show and write them.

    Writes sparsefool.json with sparsefool.npz (everything, for geomrob.load), sparsefool.csv (a line an image),
    adversarial.npz (the changed images exactly; --data takes it), images/ (as 8-bit PNG, those that are still
    adversarial so; those of an earlier run are removed) and gallery.png.

    Args:
        lam: How many times further than the boundary a step aims, at least 1; more is quicker and changes more pixels.
        radius: Largest change of an element, in levels of 1/255 (25, say); the default is no limit but [0, 1].
        target: Class to reach, by number or name; images that are classified as it already are left out.
        steps: Most steps per image.
        inner_overshoot: Share of its step by which the inner DeepFool goes beyond the boundary; default 0.1.
        inner_steps: Most steps of the inner DeepFool; default 2, with --target 50 as in the paper.
        growth: Factor of lam a step in the second half of the steps, at least 1; default 1.1.
        published: Run the algorithm exactly as published: inner overshoot 0.02, no growth, gradients of all rivals.
        prune: Spend more evaluations on fewer pixels.
        count: With --prune, what is to be few: pixels or elements (channels of pixels); default pixels.
        budget: With --prune, most forward and backward evaluations together per image; default 150.
        uint8: Round the changed images to 8 bits, re-verify, and count and write those.
    """
    if radius is not None and not radius > 0:
        raise UsageError(f"radius must be above 0 levels of 1/255; got {radius:g}: leave --radius out for no limit")
    if budget is not None and not prune:
        raise UsageError(f"budget must go with --prune; got --budget {budget} alone: add --prune or leave it out")
    if count is not None and not prune:
        raise UsageError(f"count must go with --prune; got --count {count} alone: add --prune or leave it out")
    session = Session.open("sparsefool", options, figure="gallery.png")
    from geomrob.analysis.sparse_export import png_files, to_npz
    from geomrob.analysis.sparsity import sparsity
    from geomrob.plot.sparse_gallery import plot_gallery
    from geomrob.results.result import file_names

    samples = session.samples
    effort: dict[str, Any] = {"lam": lam, "steps": steps, "prune": prune, "published": published}
    effort |= {} if radius is None else {"radius": radius * LEVEL}
    others = {"budget": budget, "count": count, "growth": growth}
    others |= {"inner_overshoot": inner_overshoot, "inner_steps": inner_steps}
    effort |= {name: value for name, value in others.items() if value is not None}
    exact = session.measure(
        "SparseFool",
        lambda name, model, progress: sparsity(
            model,
            session.images,
            labels=session.labels,
            target=target,
            indices=samples.indices,
            classes=samples.classes,
            name=name,
            data=samples.name,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
            **effort,
        ),
    )
    results = [result.exported() for result in exact] if uint8 else exact
    answer = Answer("sparsefool", session.out, results, data_notes=samples.notes, trainings=session.trainings)
    answer.save()
    answer.csv()
    for result, end in zip(results, file_names(results), strict=True):
        answer.write(f"adversarial{end}.npz", to_npz(result))
        for png, content in png_files(result).items():
            answer.write(f"images{end}/{png}", content)
        gallery = session.figure.with_stem(session.figure.stem + end)
        answer.picture(plot_gallery(result) if bool(result.result.success.any()) else None, gallery)
    return answer.finish(complete=all(bool(result.result.success.all()) for result in results))
