"""Mail (.eml): who wrote what to whom and when, and the text; attachments are named, and are documents of their own."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime

from indexes.errors import DocumentError
from indexes.records import Heading
from ingest.decoding import decode
from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.html import load_html
from ingest.records import Loaded

_SHOWN = ("From", "To", "Cc", "Date")
_MOST_PARTS = 1000
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")


def load_mail(data: bytes, name: str) -> Loaded:
    """Return the text of a message: its plain form, else its HTML. Raise DocumentError: `damaged` or `encrypted`."""
    message = email.message_from_bytes(_readable_header(data), EmailMessage, policy=email.policy.default)
    subject = one_line(_field(message, "Subject"))
    lines = [f"{key}: {value}" for key in _SHOWN if (value := one_line(_field(message, key), 1000))]
    warnings: list[str] = []
    plain: list[str] = []
    marked: list[str] = []
    attached: list[str] = []
    for number, part in enumerate(_leaves(message)):
        if number >= _MOST_PARTS:
            warnings.append(f"only the first {_MOST_PARTS} parts of the message were read")
            break
        kind = part.get_content_type()
        if kind == "application/pkcs7-mime" or kind == "application/pgp-encrypted":
            raise DocumentError("encrypted", "the message is encrypted; save it decrypted and add the file again")
        payload = part.get_payload(decode=True)
        body = payload if isinstance(payload, bytes) else b""
        file_name = one_line(part.get_filename() or "")
        if part.get_content_disposition() == "attachment" or (file_name and kind != "text/plain"):
            attached.append(file_name or kind)
        elif kind == "text/plain" and body.strip():
            decoded = decode(body, part.get_content_charset())
            plain.append(clean(decoded.text))
            warnings += decoded.warnings
        elif kind == "text/html" and body.strip():
            marked.append(load_html(body, name, part.get_content_charset()).text)
    texts = plain if any(text.strip() for text in plain) else marked
    if attached:
        lines.append(f"Attachments: {', '.join(attached)}")
        warnings.append(f"attachments were not read: {', '.join(attached)}"[:1000])
    text = clean("\n\n".join(["\n".join(lines), *texts]))
    if not any(text.strip() for text in texts) and not subject:
        raise DocumentError("empty", "there is no text in the message")
    headings = (Heading(0, 1, subject),) if subject else ()
    text = f"{subject}\n\n{text}" if subject else text
    return Loaded(text, subject or name, (), headings, "message/rfc822", "mail", tuple(warnings), _facts(message))


def _readable_header(data: bytes) -> bytes:
    """Return the message with a header in UTF-8; old programs write it in the encoding of their system."""
    end = _END_OF_HEADER.search(data)
    header = data[: end.start()] if end else data
    if header.isascii():
        return data
    return decode(header, None).text.encode("utf-8", "replace") + data[len(header) :]


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold something; a forwarded message counts as one that is opened."""
    stack: list[Message] = [message]
    while stack:
        part = stack.pop()
        inner = part.get_payload()
        if part.is_multipart() and isinstance(inner, list):
            stack.extend(one for one in reversed(inner) if isinstance(one, Message))
        else:
            yield part


def _field(message: Message, key: str) -> str:
    try:
        return str(message.get(key, ""))
    except (ValueError, IndexError, AttributeError, TypeError, KeyError):  # what the library does with broken headers
        return ""


def _facts(message: Message) -> dict[str, str]:
    try:
        return {"date": parsedate_to_datetime(_field(message, "Date")).date().isoformat()}
    except (ValueError, TypeError, IndexError):
        return {}
