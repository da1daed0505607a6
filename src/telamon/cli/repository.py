"""``telamon repository``: looking after the repository. Works on the data directory itself."""

import random
import secrets
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from telamon.cli.progress import Progress, Unit
from telamon.cli.repository_report import (
    count,
    plan_members,
    print_check,
    print_json,
    print_plan,
    print_rescan,
    print_stats,
    size,
)
from telamon.config import Settings, load_settings
from telamon.errors import ConfigurationError, IntegrityError, TelamonError

if TYPE_CHECKING:
    from telamon.server.repository import RepositoryPlace

app = App(name="repository", help="The repository: make it, check it, give back space.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Opening:
    """Which repository it is, and what opens it."""

    data_dir: Annotated[Path | None, Parameter(help="Where everything is kept.")] = None
    passphrase_file: Annotated[
        Path | None, Parameter(help="Its first line opens an encrypted repository; mode 0600.")
    ] = None
    key_file: Annotated[
        Path | None, Parameter(help="64 hexadecimal digits that open an encrypted one; mode 0600.")
    ] = None

    def settings(self) -> Settings:
        return load_settings(data_dir=self.data_dir)

    def place(self) -> "RepositoryPlace":
        """Raises ConfigurationError for a secret file that cannot be used."""
        from telamon.repository.secret_files import read_secret
        from telamon.server.repository import place_of

        secret = read_secret(passphrase_file=self.passphrase_file, key_file=self.key_file)
        return place_of(self.settings(), secret)


_USUAL = Opening()
Percent = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=100))]
Json = Annotated[bool, Parameter(negative="")]


@app.command
def init(*, opening: Opening = _USUAL, generate_key_file: Path | None = None) -> None:
    """Make the repository: encrypted with a passphrase or key file, else not. This cannot be changed.

    telamon serve makes one that is missing by itself, by the same settings.

    Parameters
    ----------
    generate_key_file
        Make a key file there, and encrypt with it.
    """
    from dataclasses import replace

    from telamon.repository.secret_files import write_key_file
    from telamon.server.repository import create_repository, require_no_repository

    place = opening.place()
    if generate_key_file is not None:
        if opening.passphrase_file or opening.key_file:
            raise ConfigurationError(
                "A repository is opened with a passphrase file or a key file, not with both."
            )
        require_no_repository(place)
        place = replace(place, secret=write_key_file(generate_key_file, secrets.token_bytes))
    made = create_repository(place)
    if place.secret is None:
        print(f"repository {made.repository_id}, not encrypted")
    else:
        kind = place.secret.kind.value.replace("-", " ")
        print(f"repository {made.repository_id}, encrypted with AES-256-GCM")
        print(f"Keep a copy of the {kind} elsewhere: without it no snapshot can be restored.")


@app.command
def check(
    *,
    opening: Opening = _USUAL,
    read_data: Annotated[bool, Parameter(negative="")] = False,
    read_data_percent: Percent = 0.0,
    json: Json = False,
) -> None:
    """Look for damage: is all there that the snapshots need? Changes nothing.

    Parameters
    ----------
    read_data
        Read every pack, and prove every byte and every chunk of it.
    read_data_percent
        Read so much of the packs, chosen at random.
    json
        Print one JSON object.
    """
    from telamon.repository.check import Check
    from telamon.server.repository import shared_repository

    place = opening.place()
    percent = 100.0 if read_data else read_data_percent
    with shared_repository(place) as repository, Progress("Checking") as progress:
        expected = _catalogued(opening.settings())
        report = Check(repository, random.SystemRandom()).run(
            read_data_percent=percent, expected=expected, progress=progress.counting(Unit.BYTES)
        )
    if json:
        print_json(asdict(report))
    else:
        print_check(report)
    if report.findings:
        raise IntegrityError(
            f"The repository is damaged: {count(len(report.findings), 'finding')}."
        )


@app.command
def prune(
    *,
    opening: Opening = _USUAL,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    max_unused_percent: Percent = 5.0,
    wait_seconds: Annotated[float, Parameter(validator=validators.Number(gte=0))] = 0.0,
    json: Json = False,
) -> None:
    """Give back the space of what no snapshot needs. Snapshots and restores wait meanwhile.

    Parameters
    ----------
    dry_run
        Print what would be done, and do nothing.
    max_unused_percent
        How much of the repository may stay unneeded, since taking it away costs rewriting.
    wait_seconds
        How long to wait for snapshots and restores that run.
    json
        Print one JSON object.
    """
    from telamon.repository.prune import Prune
    from telamon.server.repository import own_repository, shared_repository

    place = opening.place()
    if dry_run:
        with shared_repository(place) as repository:
            plan = Prune(repository, max_unused_percent=max_unused_percent).plan
        print_json(plan_members(plan)) if json else print_plan(plan)
        return
    with own_repository(place, wait_seconds=wait_seconds) as repository:
        made = Prune(repository, max_unused_percent=max_unused_percent)
        with Progress("Pruning") as progress:
            result = made.execute(progress.counting(Unit.PACKS))
    if json:
        print_json({**plan_members(made.plan), "result": asdict(result)})
        return
    print(
        f"{count(len(result.deleted), 'pack')} deleted, "
        f"{size(result.written_bytes)} packed again, {size(result.freed_bytes)} freed"
    )
    for sentence in result.kept:
        print(f"note: {sentence}")


@app.command
def stats(*, opening: Opening = _USUAL, json: Json = False) -> None:
    """How much each snapshot holds, takes and shares. Changes nothing.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from telamon.repository.stats import read_stats
    from telamon.server.repository import shared_repository

    with shared_repository(opening.place()) as repository:
        found = read_stats(repository)
    print_json(asdict(found)) if json else print_stats(found)


@app.command
def rescan(*, opening: Opening = _USUAL, json: Json = False) -> None:
    """Make the database's catalogue again from the repository, as after the database was lost.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from telamon.server.rescan import rescan as make_again

    with Progress("Rescanning") as progress:
        report = make_again(opening.settings(), opening.place(), progress.counting(Unit.SNAPSHOTS))
    print_json(asdict(report)) if json else print_rescan(report)
    if report.damaged:
        raise IntegrityError(
            f"{count(len(report.damaged), 'snapshot')} cannot be read; the rest is done."
        )


@app.command
def change_key(
    *,
    opening: Opening = _USUAL,
    new_passphrase_file: Path | None = None,
    new_key_file: Path | None = None,
) -> None:
    """Let another passphrase or key file open the repository; no data is written anew.

    Parameters
    ----------
    new_passphrase_file
        Its first line opens the repository from now on; mode 0600.
    new_key_file
        64 hexadecimal digits that open it from now on; mode 0600.
    """
    from telamon.repository.secret_files import read_secret
    from telamon.server.repository import change_repository_secret

    new = read_secret(passphrase_file=new_passphrase_file, key_file=new_key_file)
    if new is None:
        raise ConfigurationError("Give --new-passphrase-file or --new-key-file.")
    change_repository_secret(opening.place(), new)
    print("The new one opens the repository, the old one does not any more.")


def _catalogued(settings: Settings) -> tuple[str, ...]:
    """A database that does not work must not stand in the way of a check of the repository."""
    from telamon.server.catalogue import catalogued_snapshots

    try:
        return catalogued_snapshots(settings)
    except TelamonError as error:
        print(f"telamon: the catalogue is not compared: {error.message}", file=sys.stderr)
        return ()
