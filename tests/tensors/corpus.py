"""Hostile and broken `.npy` files, one for every way found so far; see also `corpus_npz`."""

from __future__ import annotations

import io
import struct

import numpy as np


DATA = bytes(range(96))


def npy(header: str | bytes, data: bytes = DATA, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return a `.npy` whose header is `header`, whatever that is."""
    raw = header.encode("utf-8") if isinstance(header, str) else header
    length = struct.pack("<H" if version == (1, 0) else "<I", len(raw))
    return b"\x93NUMPY" + bytes(version) + length + raw + data


def head(shape: str = "(4, 6)", descr: str = "'<f4'", order: str = "False", end: str = "\n") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}{end}"


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


GOOD = saved(np.arange(24, dtype="<f4").reshape(4, 6))

_SHAPES = {
    "negative": "(-1, 24)",
    "two_negatives": "(-4, -6)",
    "float": "(4.0, 6)",
    "bool": "(True, 24)",
    "string": "('4', 6)",
    "none": "None",
    "list": "[4, 6]",
    "int": "24",
    "parenthesis": "(24)",
    "lone_comma": "(,)",
    "double_comma": "(4,, 6)",
    "too_large": "(9223372036854775808,)",
    "two_to_64": "(18446744073709551616, 1)",
    "wraps_to_24": "(4294967296, 4294967296, 24)",
    "wraps_to_zero": "(9223372036854775807, 2)",
    "zero_times_huge": "(0, 9223372036854775807, 9223372036854775807)",
    "digits": f"({'9' * 9000},)",
    "hex": "(0x4, 6)",
    "underscore": "(2_4,)",
    "leading_zero": "(04, 6)",
    "plus": "(+4, 6)",
    "expression": "(2*2, 6)",
    "nested": "((4, 6),)",
    "rank_33": "(" + "1, " * 32 + "24)",
    "rank_1000": "(" + "1, " * 1000 + "24)",
    "call": "(__import__('os').getpid(), 6)",
    "unicode_digits": "(\u0664, \u0666)",
    "complex": "(4j, 6)",
    "open": "(4, 6",
    "four_terabytes": "(1048576, 1048576)",
    "one_more": "(4, 7)",
    "one_less": "(4, 5)",
    "empty_but_data": "(0, 6)",
    "no_axes": "()",
}
_DESCRS = {
    "object": "'|O'",
    "object_8": "'|O8'",
    "bytes": "'|S4'",
    "text": "'<U1'",
    "zero_text": "'<U0'",
    "zero_void": "'|V0'",
    "void_4": "'|V4'",
    "void_2": "'|V2'",
    "void_1": "'|V1'",
    "float8": "'<f1'",
    "float128": "'<f16'",
    "float3": "'<f3'",
    "complex": "'<c8'",
    "date": "'<M8[ns]'",
    "duration": "'<m8[s]'",
    "structured": "[('a', '<f4'), ('b', '<f4')]",
    "triple": "('<f4', (2,), 5)",
    "sub_array": "('<f4', (2,))",
    "aligned": "{'names': ['a'], 'formats': ['<f4']}",
    "empty": "''",
    "none": "None",
    "number": "4",
    "bare": "<f4",
    "long_name": "'float32'",
    "python_type": "'f'",
    "two_codes": "'<f4,<f4'",
    "escape": "'\\x3cf4'",
    "prefix": "u'<f4'",
    "joined": "'<' 'f4'",
    "spaced": "'<f4 '",
    "newline": "'<f4\n'",
    "nul": "'<f4\0'",
    "markup": "'[red]'",
    "very_long": "'" + "f" * 9000 + "'",
    "control": "'\x1b[31m'",
    "i3": "'<i3'",
    "b2": "'<b2'",
}
_HEADERS = {
    "empty": "",
    "spaces": " " * 100,
    "not_a_dict": "[]\n",
    "empty_dict": "{}\n",
    "set": "{'descr'}\n",
    "missing_descr": "{'fortran_order': False, 'shape': (4, 6), }\n",
    "missing_order": "{'descr': '<f4', 'shape': (4, 6), }\n",
    "missing_shape": "{'descr': '<f4', 'fortran_order': False, }\n",
    "extra_key": head()[:-3] + "'more': 1, }\n",
    "twice_shape": head()[:-3] + "'shape': (4, 6), }\n",
    "twice_first": "{'shape': (4, 6), 'shape': (4, 6), 'descr': '<f4', 'fortran_order': False}",
    "mixed_keys": "{1: 2, 'descr': '<f4', 'fortran_order': False, 'shape': (4, 6)}\n",
    "order_0": head(order="0"),
    "order_none": head(order="None"),
    "order_text": head(order="'False'"),
    "order_lower": head(order="false"),
    "minuses": head(shape="(" + "-" * 9000 + "1,)"),
    "open_parentheses": "(" * 9000,
    "open_braces": "{" * 9000,
    "bad_indent": "  x\n y\n",
    "nul_inside": head().replace(" ", "\0"),
    "nul_padding": head(end="\0" * 8),
    "text_after": head(end="x\n"),
    "code_after": head(end="; import os\n"),
    "no_colon": head().replace(":", ""),
    "no_commas": head().replace(",", ""),
    "tilde": head().replace("'", "`"),
    "brackets": "[(" * 4000,
    "brackets_closed": "{'descr': [" + ")]" * 4000,
    "gaps": "{'descr': [" + (")" + " " * 99) * 80,
    "quote_in_shape": head(shape="('4, 6)"),
    "quote_after_shape": "{'shape': (4, 6'), 'descr': '<f4', 'fortran_order': False}",
    "comment": "# " + head(),
    "latin": head() + "\xff",
}
_WHOLE = {
    "empty": b"",
    "one_byte": b"\x93",
    "magic_only": b"\x93NUMPY",
    "magic_major": b"\x93NUMPY\x01",
    "no_length": GOOD[:8],
    "half_length": GOOD[:9],
    "no_header": GOOD[:10],
    "half_header": GOOD[:60],
    "no_data": GOOD[:128],
    "half_data": GOOD[:176],
    "half_item": GOOD[:-1],
    "one_byte_more": GOOD + b"\0",
    "newline_more": GOOD + b"\n",
    "two_arrays": GOOD + GOOD,
    "zeros_after": GOOD + bytes(65536),
    "polyglot_zip": GOOD + b"PK\5\6" + bytes(18),
    "zip": b"PK\3\4" + bytes(100),
    "pickle_2": b"\x80\x02]q\0.",
    "pickle_4": b"\x80\x04\x95\x0a\0\0\0\0\0\0\0.",
    "pickle_0": b"cposix\nsystem\n(S'touch canary'\ntR.",
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "zeros": bytes(224),
    "html": b"<!DOCTYPE html><html>404</html>",
    "gzip": b"\x1f\x8b\x08" + bytes(30),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(30),
    "text": b"1 2 3\n4 5 6\n",
    "version_0": b"\x93NUMPY\0\0" + GOOD[8:],
    "version_4": b"\x93NUMPY\4\0" + GOOD[8:],
    "version_1_1": b"\x93NUMPY\1\1" + GOOD[8:],
    "version_255": b"\x93NUMPY\xff\xff" + GOOD[8:],
    "header_4_gib": b"\x93NUMPY\2\0\xff\xff\xff\xff",
    "header_64_kib": b"\x93NUMPY\1\0\xff\xff" + b" " * 65535,
    "header_10001": npy(head(end=" " * (10001 - len(head(end=""))))),
    "crlf": GOOD.replace(b"\n", b"\r\n"),
    "high_bit": bytes(byte & 0x7F for byte in GOOD),
    "utf8_twice": GOOD.decode("latin-1").encode(),
    "v3_not_utf8": npy(head().encode() + b"\xff\xfe", version=(3, 0)),
    "object_array": saved(np.array([{"a": 1}], dtype=object)),
    "text_array": saved(np.array(["a", "b"])),
    "date_array": saved(np.array(["2020-01-01"], dtype="M8[D]")),
    "structured_array": saved(np.zeros(3, [("a", "<f4"), ("b", "<i8", (3,))])),
    "zero_dim": saved(np.array(1.0)),
    "longdouble": saved(np.zeros(3, np.longdouble)),
}


def hostile_npy() -> dict[str, bytes]:
    """Return the contents of files that are to be refused, by what is wrong with them."""
    return {
        **{f"shape_{name}": npy(head(shape=text)) for name, text in _SHAPES.items()},
        **{f"descr_{name}": npy(head(descr=text)) for name, text in _DESCRS.items()},
        **{f"header_{name}": npy(text) for name, text in _HEADERS.items()},
        **{f"file_{name}": data for name, data in _WHOLE.items()},
    }
