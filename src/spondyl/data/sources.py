"""Which public sets of spine films are there, and how does one get them?

Where each fact comes from is said in ``docs/data.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spondyl.errors import UsageError

NOT_VERIFIED: Final = "not verified"
"""What stands where a fact could not be found in a source that we trust."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One file that can be fetched: its address, its name, and its SHA-256 where one is known."""

    url: str
    name: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public set: what it is, what may be done with it, how to get it and how to read it.

    ``licence`` is one sentence; ``films`` their number; ``reading`` the command that reads it;
    ``archive`` is None where the licence allows no direct download or no address is known.
    """

    name: str
    title: str
    address: str
    licence: str
    films: str
    size: str
    labels: str
    reading: str
    steps: tuple[str, ...]
    traps: tuple[str, ...]
    archive: Archive | None = None


PUBLIC_SETS: Final = (
    PublicSet(
        name="mendeley",
        title="Spondylolisthesis Vertebral Landmark, version 1 (Karla Reyes, 2025)",
        address="https://doi.org/10.17632/5jdfdgp762.1",
        licence=(
            "Published as CC BY 4.0, but 508 of its films come from BUU-LSPINE, which has terms "
            "of its own, and 39 training files from VinDr-SpineXR, whose access is restricted: "
            "use it with attribution, and pass on none of its films."
        ),
        films="716 lateral lumbar films, 698 of them labelled (591 unique)",
        size=NOT_VERIFIED,
        labels="four corners of each of 3 to 11 vertebrae, not named",
        reading="spondyl convert Dataset/Train OUT --to coco",
        steps=(
            "Fetch the archive: spondyl data mendeley --download FOLDER, or from the address.",
            "Unpack it, and the Dataset.zip in it.",
        ),
        traps=(
            "Two label formats with two corner orders are mixed film by film; both are read.",
            "55 names recur as augmented copies (.rf.<hash>), all in the training part: split by "
            "the name before it, as spondyl does; a random split leaks.",
            "The films were stretched to 640 x 640: angles and slips read off them are distorted.",
            "Seven of the 16 unlabelled test films are also in the training or validation part.",
            "Validation holds BUU films only; the others are only in the training part.",
            "4 films have 11 labelled vertebrae, one more than 40 channels hold; 3953-M-021Y1 has "
            "a stray box; in 22 films the top edge cuts a vertebra.",
            "41 label files do not list the vertebrae from top to bottom.",
        ),
        archive=Archive(
            "https://data.mendeley.com/public-api/zip/5jdfdgp762/download/1",
            "5jdfdgp762-1.zip",
            "3a15ceb105c93716035df049b8ee8407ddee479184860fc885e71f18886859d1",
        ),
    ),
    PublicSet(
        name="buu-lspine",
        title="BUU-LSPINE (Burapha University; Klinwichit 2023)",
        address="https://services.informatics.buu.ac.th/spine/",
        licence=(
            "An end-user licence of the university, to be accepted on its site; its text was not "
            "verified, so pass on nothing."
        ),
        films="3,600 patients, an AP and a lateral film each; 400 pairs in version 0.1",
        size=NOT_VERIFIED,
        labels="the ends of the endplates of L1 to L5 and of S1's superior one; slips",
        reading="spondyl convert BUU-LSPINE_400/LA OUT --to coco --from buu",
        steps=(
            "Accept the licence on the site; the 400 pairs are open, the rest is given on request.",
            "Unpack it; the lateral films and their labels are in the folder LA.",
        ),
        traps=(
            "L1 to S1 only: T12 and above are in view and not labelled, and S1 has no inferior "
            "corners.",
            "Read the folder LA alone: the files of AP films look alike and would count as "
            "lateral.",
            "Nearly all films face left, many of them mirrored with reversed side markers: a "
            "marker is no evidence of the side.",
            "Many of its films are also in mendeley: never train on one and test on the other.",
        ),
    ),
    PublicSet(
        name="aasce",
        title="AASCE 2019 challenge, SpineWeb 16 (Wu, BoostNet, MICCAI 2017)",
        address="https://aasce19.github.io/",
        licence=(
            "Given for research on request; no right to pass it on is stated, so pass on nothing."
        ),
        films="609 AP films: 481 to train, 128 to test",
        size=NOT_VERIFIED,
        labels="four corners of T1 to L5, three Cobb angles",
        reading="spondyl convert FOLDER OUT --to coco --from aasce",
        steps=(
            "Ask for data set 16 as the challenge's page says; users reported its server as "
            "unreachable and requests as unanswered, from 2022 on.",
        ),
        traps=(
            "Labels are known to be wrong: shifted by a level, flipped, swapped or twice; of 609 "
            "films 28 have centres out of order and 34 odd gaps.",
            "Up to 16 films share one study, the number in the name: split by it, as spondyl does.",
            "Six studies are in both published parts: leave them out of what is tested on the "
            "official part.",
            "C7 and the sacrum are in view and never labelled.",
        ),
    ),
    PublicSet(
        name="vindr-spinexr",
        title="VinDr-SpineXR 1.0.0 (PhysioNet, 2021)",
        address="https://physionet.org/content/vindr-spinexr/1.0.0/",
        licence=(
            "Restricted access on PhysioNet: each user signs the data use agreement, and may not "
            "pass anything on."
        ),
        films="10,466 films of 5,000 studies, in DICOM",
        size=NOT_VERIFIED,
        labels="boxes around 13 kinds of lesions; no corner of a vertebra",
        reading="spondyl predict FOLDER --weights WEIGHTS --out OUT  (films only)",
        steps=(
            "Sign in to PhysioNet, sign the agreement on the page, and fetch it as the page says.",
        ),
        traps=(
            "Cervical, thoracic and lumbar films in all views; none has landmarks to train on.",
            "39 training files of mendeley are films of this set: do not test on them.",
        ),
    ),
    PublicSet(
        name="nhanes2",
        title="NHANES II, cervical and lumbar spine, 1976 to 1980 (NCHS and NLM)",
        address="https://data.lhncbc.nlm.nih.gov/public/NHANES/X-rays/index.html",
        licence=(
            "Published openly by the US National Library of Medicine; no statement of a licence "
            "was verified."
        ),
        films="about 17,000 digitised films, cervical and lumbar",
        size="about 10 MB a lumbar film at 12 bit",
        labels="vertebra coordinates of about 600 films as text, in a format that is not read here",
        reading="spondyl predict FOLDER --weights WEIGHTS --out OUT  (films only, from tif8)",
        steps=(
            "Fetch single films from the index; there is no archive of all of them.",
            "Take the folder tif8: the full resolution is in a raw format (nh2) that is not read.",
        ),
        traps=(
            "No lumbar films of women under 50, by design of the survey.",
            "Film, scanned at 146 dpi: a pixel is 0.174 mm of film, magnified by the projection.",
        ),
    ),
)


def public_set(name: str) -> PublicSet:
    """The set of that name.

    Raises:
        UsageError: there is none.
    """
    found = next((each for each in PUBLIC_SETS if each.name == name.lower()), None)
    if found is None:
        known = ", ".join(each.name for each in PUBLIC_SETS)
        raise UsageError(f"unknown set {name!r}, need {known}")
    return found


def describe(public: PublicSet) -> str:
    """All that is known of a set, as lines of text."""
    archive = public.archive
    checksum = (archive and archive.sha256) or "none known"
    facts = {
        "address": public.address,
        "licence": public.licence,
        "films": public.films,
        "size": public.size,
        "labels": public.labels,
        "sha256": checksum,
        "read it": public.reading,
    }
    lines = [f"{public.name}: {public.title}", *(f"  {k:8} {v}" for k, v in facts.items())]
    lines += ["  steps", *(f"    {k}. {step}" for k, step in enumerate(public.steps, start=1))]
    return "\n".join([*lines, "  traps", *(f"    - {trap}" for trap in public.traps)])


def overview() -> str:
    """All sets, a few lines each."""
    return "\n\n".join(
        f"{each.name}: {each.title}\n  {each.films}\n  {each.address}\n  {each.licence}"
        for each in PUBLIC_SETS
    )
