"""Every exception raised on purpose, as one tree.

    SpondylError
    ├── FilmError          a film cannot be read or used
    ├── AnnotationError    an annotation cannot be read, or says something impossible
    ├── RecipeError        a recipe has an unknown or impossible setting
    ├── CheckpointError    weights are missing, damaged or of another network
    ├── TrainingError      a training run cannot start or go on
    ├── DownloadError      a public set cannot be fetched, or is not what was expected
    └── UsageError         arguments that do not fit each other, an empty folder

A message is one line: file or name first, what is wrong, what was got; what would be right.
"""


class SpondylError(Exception):
    """What a user can put right; shown as one line, without a traceback."""


class FilmError(SpondylError):
    """A film cannot be read or used."""


class AnnotationError(SpondylError):
    """An annotation cannot be read, or says something impossible."""


class RecipeError(SpondylError):
    """A recipe has an unknown or impossible setting."""


class CheckpointError(SpondylError):
    """Weights are missing, damaged or of another network."""


class TrainingError(SpondylError):
    """A training run cannot start or go on."""


class DownloadError(SpondylError):
    """A public set cannot be fetched, or is not what was expected."""


class UsageError(SpondylError):
    """Arguments that do not fit each other, or a folder without what was asked for."""
