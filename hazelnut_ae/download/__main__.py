"""`python -m hazelnut_ae.download` asks every known address whether it still has its archive, without fetching it."""

import sys

import requests

from hazelnut_ae.download.sources import HAZELNUT_TOY, MVTEC_AD
from hazelnut_ae.download.transfer import host

SECONDS = 30


def answers(address):
    """(whether the address offers a file, what it said): asked for the first byte only."""
    try:
        with requests.get(address, headers={"Range": "bytes=0-0"}, stream=True, timeout=SECONDS) as reply:
            kind = reply.headers.get("Content-Type", "no type")
            return reply.ok and not kind.startswith("text/html"), f"{reply.status_code} {kind}"
    except requests.RequestException as error:
        return False, type(error).__name__


def check_addresses(sources, say=print):
    """Says of each address of each source whether it answers; returns 1 if a source has none that does, else 0."""
    lost = 0
    for source in sources:
        alive = 0
        for address in source.addresses:
            fine, words = answers(address)
            alive += fine
            say(f"{'yes' if fine else 'no ':3} {source.name}: {host(address)} ({words})")
        if not alive:
            lost = 1
            say(f"No address of {source.name} answers: look for a new one at {source.page}.")
    return lost


if __name__ == "__main__":
    sys.exit(check_addresses((MVTEC_AD, HAZELNUT_TOY)))
