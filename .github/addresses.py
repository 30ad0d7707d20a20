"""`python .github/addresses.py` checks the known addresses; exit code 1 if a data set has none that works."""

import sys

import requests

from hazelnut_ae.download.sources import HAZELNUT_TOY, MVTEC_AD


def answers(address):
    try:
        reply = requests.head(address, allow_redirects=True, timeout=30)
        answer, alive = f"{reply.status_code} {reply.headers.get('Content-Type')}", reply.ok
    except requests.RequestException as error:
        answer, alive = type(error).__name__, False
    print(answer, address)
    return alive and "text/html" not in answer


if __name__ == "__main__":
    sys.exit(not all([any([answers(address) for address in source.addresses]) for source in (MVTEC_AD, HAZELNUT_TOY)]))
