"""`python -m hazelnut_ae.download` asks every known address for one byte and says which of them answer."""

import sys

import requests

from hazelnut_ae.download.sources import HAZELNUT_TOY, MVTEC_AD
from hazelnut_ae.download.transfer import host


def check_addresses(sources, say=print):
    """Returns 1 if a source has no address that offers a file, else 0; `say` gets a line for each address."""
    status = 0
    for source in sources:
        alive = []
        for address in source.addresses:
            try:
                with requests.get(address, headers={"Range": "bytes=0-0"}, stream=True, timeout=30) as reply:
                    type_ = reply.headers.get("Content-Type", "no type")
                    alive.append(reply.ok and not type_.startswith("text/html"))
                    words = f"{reply.status_code} {type_}"
            except requests.RequestException as error:
                alive.append(False)
                words = type(error).__name__
            say(f"{'yes' if alive[-1] else 'no ':3} {source.name}: {host(address)} ({words})")
        if not any(alive):
            status = 1
            say(f"No address of {source.name} answers: look for a new one at {source.page}.")
    return status


if __name__ == "__main__":
    sys.exit(check_addresses((MVTEC_AD, HAZELNUT_TOY)))
