"""One free reader in a process of its own; run by `benchmarks.peers` with the Python of the peers' environment.

    python peer_reader.py NAME

Says its version in one line; then, for a picture on standard input (height and width as big-endian int, its bytes),
one line of JSON: `texts`, and the milliseconds that reading took. Imports nothing of this repository.
"""

import json
import struct
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

Read = Callable[[Any], list[str]]


def zxing_cpp() -> tuple[Read, str]:
    """zxing-cpp, all that it has switched on."""
    import zxingcpp

    def read(picture: Any) -> list[str]:
        kind: Any = zxingcpp.BarcodeFormat.QRCode
        return [code.text for code in zxingcpp.read_barcodes(picture, formats=kind, text_mode=zxingcpp.TextMode.Plain)]

    return read, version("zxing-cpp")


def pyzbar() -> tuple[Read, str]:
    """Zbar."""
    from pyzbar import pyzbar as zbar

    def read(picture: Any) -> list[str]:
        found = zbar.decode(picture, symbols=[zbar.ZBarSymbol.QRCODE])
        return [code.data.decode(errors="replace") for code in found]

    return read, version("pyzbar")


def opencv(detector_name: str) -> tuple[Read, str]:
    """One of OpenCV's two detectors; the call for one code reads some that the call for many does not."""
    import cv2

    cv2.setNumThreads(1)
    detector = getattr(cv2, detector_name)()

    def read(picture: Any) -> list[str]:
        found, texts, _, _ = detector.detectAndDecodeMulti(picture)
        several = [text for text in texts if text] if found else []
        return several or [text for text in (detector.detectAndDecode(picture)[0],) if text]

    return read, version("opencv-contrib-python")


def wechat() -> tuple[Read, str]:
    """WeChat's reader as OpenCV brings it: without the model files."""
    import cv2

    cv2.setNumThreads(1)
    reader: Any = cv2.wechat_qrcode_WeChatQRCode()  # type: ignore[attr-defined]
    return lambda picture: [text for text in reader.detectAndDecode(picture)[0] if text], version(
        "opencv-contrib-python"
    )


PEERS: dict[str, Callable[[], tuple[Read, str]]] = {
    "zxing-cpp": zxing_cpp,
    "pyzbar": pyzbar,
    "OpenCV": lambda: opencv("QRCodeDetector"),
    "OpenCV, ArUco": lambda: opencv("QRCodeDetectorAruco"),
    "WeChat without models": wechat,
}


def main(name: str) -> None:
    """Read pictures until standard input ends."""
    read, its_version = PEERS[name]()
    print(its_version, flush=True)
    while head := sys.stdin.buffer.read(8):
        height, width = struct.unpack(">ii", head)
        picture = np.frombuffer(sys.stdin.buffer.read(height * width), np.uint8).reshape(height, width)
        begin = time.perf_counter()
        try:
            texts = read(np.ascontiguousarray(picture))
        except Exception:  # its own exception on a picture means that it found nothing
            texts = []
        print(json.dumps({"texts": texts, "ms": 1000 * (time.perf_counter() - begin)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
