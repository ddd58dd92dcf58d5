"""The shop's counter: it shows what there is, takes orders, and hands them to the worker.

    GET  /             the goods
    POST /orders       {"item": "mug"} -> the order, with its number
    GET  /orders/N     how far it is: placed, packing, shipped
    POST /packing      with the shop's token: the next order to pack, or 204
    POST /packing/N    with the shop's token: it is shipped
    GET  /health       ok

Orders are in memory, so they live as long as this process.
"""

import hmac
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOODS = {"mug": 9.5, "shirt": 19.0, "sticker": 1.5}
NAME = os.environ.get("SHOP_NAME", "Corner shop")
TOKEN = os.environ["SHOP_TOKEN"]
MOST_ORDERS = 10_000
MOST_BYTES = 4096

orders = []
lock = threading.Lock()


class Refused(Exception):
    """An answer other than 2xx: its status and what to say."""


def place(text):
    try:
        item = json.loads(text)["item"]
    except (ValueError, KeyError, TypeError):
        raise Refused(400, 'write {"item": NAME}') from None
    if item not in GOODS:
        raise Refused(422, f"there is no such item; there are {', '.join(GOODS)}")
    with lock:
        if len(orders) >= MOST_ORDERS:
            raise Refused(503, "too many orders today")
        order = {"number": len(orders) + 1, "item": item, "state": "placed"}
        orders.append(order)
        return dict(order)


def look_up(number):
    with lock:
        if not number.isascii() or not number.isdigit() or not 0 < int(number) <= len(orders):
            raise Refused(404, "no such order")
        return orders[int(number) - 1]


def take():
    with lock:
        for order in orders:
            if order["state"] == "placed":
                order["state"] = "packing"
                return dict(order)
    return None


class Counter(BaseHTTPRequestHandler):
    wbufsize = -1  # one write an answer: a health check hangs up when it has seen the status
    timeout = 30

    def do_GET(self):
        self.answer(self.read_only)

    def do_POST(self):
        self.answer(self.change)

    def read_only(self, path):
        if path == ["health"]:
            return 200, {"status": "ok"}
        if path == [""]:
            return 200, {"shop": NAME, "goods": GOODS, "release": os.environ.get("RELEASE")}
        if len(path) == 2 and path[0] == "orders":
            return 200, look_up(path[1])
        raise Refused(404, "no such page")

    def change(self, path):
        length = int(self.headers.get("Content-Length", 0))
        if length > MOST_BYTES:
            raise Refused(413, "that is no order")
        text = self.rfile.read(length)
        if path == ["orders"]:
            return 201, place(text)
        if path[0] != "packing" or len(path) > 2:
            raise Refused(404, "no such page")
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {TOKEN}".encode()):
            raise Refused(403, "this is for the worker")
        if len(path) == 1:
            order = take()
            return (200, order) if order else (204, None)
        order = look_up(path[1])
        order["state"] = "shipped"
        return 200, order

    def answer(self, page):
        try:
            status, value = page(self.path.split("?")[0].split("/")[1:])
        except Refused as refusal:
            status, value = refusal.args[0], {"error": refusal.args[1]}
        body = b"" if value is None else json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        if self.path not in ("/health", "/packing"):
            print(f"{self.command} {self.path} {values[1] if len(values) > 1 else ''}")


class Server(ThreadingHTTPServer):
    daemon_threads = False  # requests in flight are answered before the process ends


def main():
    port = int(os.environ.get("PORT", "3000"))
    server = Server(("", port), Counter)

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    print(f"{NAME} is open on port {port}")
    server.serve_forever()
    server.server_close()
    print("closed")


if __name__ == "__main__":
    main()
