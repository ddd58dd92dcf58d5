"""Ships what was ordered: asks the web service for the next order, packs it, and says so.

It listens nowhere; a service without a port in the manifest is one that only works.
"""

import json
import os
import signal
import threading
import urllib.error
import urllib.request

URL = os.environ.get("SHOP_URL", "http://web:3000")
PACE = float(os.environ.get("PACE", "0.5"))
HEADERS = {"Authorization": f"Bearer {os.environ['SHOP_TOKEN']}"}

ending = threading.Event()


def post(path):
    request = urllib.request.Request(URL + path, method="POST", headers=HEADERS)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer) if answer.status == 200 else None


def ship_one():
    order = post("/packing")
    if order is None:
        return
    ending.wait(PACE)
    post(f"/packing/{order['number']}")
    print(f"shipped order {order['number']}: {order['item']}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    print(f"shipping for {URL}")
    while not ending.wait(PACE):
        try:
            ship_one()
        except (urllib.error.URLError, OSError, ValueError) as error:
            print(f"the shop does not answer: {error}")
    print("going home")


if __name__ == "__main__":
    main()
