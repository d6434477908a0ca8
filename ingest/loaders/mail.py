"""Mail (.eml): who wrote what to whom and when, the text, and what is attached, under the names of the attachments."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime

from indexes.errors import DocumentError
from indexes.records import Heading
from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.decoding import decode
from ingest.loaders.html import load_html
from ingest.loaders.outline import Block, build
from ingest.records import Loaded

_SHOWN = ("From", "To", "Cc", "Date")
_MOST_PARTS = 1000
_MOST_ATTACHMENTS = 100
_MOST_ATTACHED_BYTES = 64 * 1024 * 1024
_MOST_CHARACTERS = 32 * 1024 * 1024
_ATTACHMENT_LEVEL = 2  # under the subject
_DEEPEST_LEVEL = 9
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
# Proofs of who signed a message, which nobody reads.
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})

# Reads one attachment: its bytes, name, media type and encoding. Raises DocumentError.
ReadAttachment = Callable[[bytes, str, str, str | None], Loaded]


def load_mail(data: bytes, name: str, read_attachment: ReadAttachment | None = None) -> Loaded:
    """Return the text of a message: its plain form, else its HTML, and that of its attachments, each under its name.

    Attachments are read with `read_attachment`; those that cannot be read, are too many or too large are named with
    the reason in the warnings, as all are without it. Raise DocumentError: `damaged`, `empty` or `encrypted`.
    """
    message = email.message_from_bytes(_readable_header(data), EmailMessage, policy=email.policy.default)
    subject = one_line(_field(message, "Subject"))
    lines = [f"{key}: {value}" for key in _SHOWN if (value := one_line(_field(message, key), 1000))]
    warnings: list[str] = []
    plain: list[str] = []
    marked: list[str] = []
    attached: list[_Attachment] = []
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
        if kind in _SIGNATURES:
            continue
        if part.get_content_disposition() == "attachment" or (file_name and kind != "text/plain"):
            attached.append(_Attachment(file_name or kind, kind, part.get_content_charset(), body))
        elif kind == "text/plain" and body.strip():
            decoded = decode(body, part.get_content_charset())
            plain.append(clean(decoded.text))
            warnings += decoded.warnings
        elif kind == "text/html" and body.strip():
            marked.append(load_html(body, name, part.get_content_charset()).text)
    texts = plain if any(text.strip() for text in plain) else marked
    if attached:
        lines.append(f"Attachments: {', '.join(one.name for one in attached)}")
    text = clean("\n\n".join(["\n".join(lines), *texts]))
    blocks = [Block(subject, 1)] if subject else []
    blocks += [Block(text)] if text else []
    read = _read(attached, read_attachment, warnings)
    if not any(one.strip() for one in texts) and not subject and not read:
        raise DocumentError("empty", "there is no text in the message")
    text, headings = _with_attachments(blocks, read)
    return Loaded(text, subject or name, (), headings, "message/rfc822", "mail", tuple(warnings), _facts(message))


@dataclass(frozen=True, slots=True)
class _Attachment:
    """What came with a message. `charset` is what the message says of its encoding."""

    name: str
    media_type: str
    charset: str | None
    data: bytes


def _read(
    attached: Sequence[_Attachment], read_attachment: ReadAttachment | None, warnings: list[str]
) -> list[tuple[str, Loaded]]:
    """Return the attachments that could be read, each with its name; add to the warnings why others could not."""
    read: list[tuple[str, Loaded]] = []
    unread: list[str] = []
    room, characters = _MOST_ATTACHED_BYTES, 0
    for number, one in enumerate(attached):
        room -= len(one.data)
        if read_attachment is None or number >= _MOST_ATTACHMENTS or room < 0 or characters > _MOST_CHARACTERS:
            unread.append(f"{one.name} (too_large: messages within messages, or too much in this one)")
            continue
        try:
            loaded = read_attachment(one.data, one.name, one.media_type, one.charset)
        except DocumentError as error:
            unread.append(f"{one.name} ({error.reason}: {error.detail})")
            continue
        characters += len(loaded.text)
        warnings += [f"{one.name}: {warning}" for warning in loaded.warnings]
        read.append((one.name, loaded))
    if unread:
        warnings.append(one_line(f"attachments were not read: {', '.join(unread)}", 1000))
    return read


def _with_attachments(blocks: list[Block], read: Sequence[tuple[str, Loaded]]) -> tuple[str, tuple[Heading, ...]]:
    """Return the text of a message with its attachments below it, their own headings below their names."""
    text, found = build(blocks)
    headings = list(found)
    for name, loaded in read:
        text += "\n\n" if text else ""
        headings.append(Heading(len(text), _ATTACHMENT_LEVEL, name))
        text += f"{name}\n\n"
        headings += [
            Heading(len(text) + one.start, min(one.level + _ATTACHMENT_LEVEL, _DEEPEST_LEVEL), one.title)
            for one in loaded.headings
        ]
        text += loaded.text
    return text, tuple(headings)


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
