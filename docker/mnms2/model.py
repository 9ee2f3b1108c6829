"""The M&Ms-2 organisers' entry: ``model().predict(input_folder, output_folder)``.

They import this file from a participant's folder, make one ``model`` without arguments, and call
``predict`` with folders in the challenge's layout (see ``cmrseg.cases.mnms2``).
"""


class model:  # noqa: N801 (the organisers' name)
    """Segments M&Ms-2 folders; weights and settings are those that cmrseg brings along."""

    def predict(self, input_folder: str, output_folder: str) -> None:
        """Write ``<output_folder>/<id>/<id>_<view>_<phase>_pred.nii.gz`` for every image.

        Args:
            input_folder: holds ``<id>/<id>_{SA,LA}_{ED,ES}.nii.gz``.
            output_folder: made if need be.

        Raises:
            RuntimeError: not every case could be segmented; what could be, was written.
        """
        from cmrseg.run.predict import predict

        code = predict("mnms2", input_folder, output_folder, labels="rv")
        if code != 0:
            raise RuntimeError(f"cmrseg ended with exit code {code}: see its last line on stderr")
