# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.series.mails.archive_url import (
    is_mask,
    name_of,
    parse_link,
    require_masks,
    settings_of,
)
from harness.series.mails.messages import is_message_id

LORE = "https://lore.kernel.org/linux-mm"


@pytest.mark.parametrize("url", [LORE, f"{LORE}/", f"{LORE}//", f"{LORE}/%s", f"{LORE}/%s/"])
def test_an_archive_is_named_by_its_url_or_mask(url: str) -> None:
    settings = settings_of(url)
    assert name_of(settings) == LORE
    assert settings == {
        "midmask": f"{LORE}/%s",
        "linkmask": f"{LORE}/%s",
        "searchmask": f"{LORE}/?x=m&q=%s",
    }


def test_without_settings_the_archive_is_lore() -> None:
    assert name_of({}) == "https://lore.kernel.org/all"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lore.kernel.org/all",
        "ftp://lore.kernel.org/all",
        "file:///etc/passwd",
        "https://",
        "https:///all",
        "https://[::1/all",
        "https://host:99999/all",
        "https://host/%s/%s",
        "https://host/%d",
        "https://host/%s/more",
        "https://host/a b",
        "https://host/a\nb",
        "https://user:secret@host/all",
    ],
)
def test_what_is_no_url_of_an_archive_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is not the URL of a mail archive; expected an http") as e:
        settings_of(url)
    assert "secret" not in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "mask", "good"),
    [
        ("midmask", "https://lore.kernel.org/all/%s", True),
        ("midmask", "http://127.0.0.1:8080/test/%s/", True),
        ("midmask", "http://[::1]:8080/test/%s", True),
        ("midmask", "https://lore.kernel.org/%s", True),
        ("midmask", "https://lore.kernel.org/?id=%s", False),
        ("midmask", "https://lore.kernel.org/%s/raw", False),
        ("linkmask", "https://patch.msgid.link/%s", True),
        ("linkmask", "https://example.org/%s/more", True),
        ("searchmask", "https://lore.kernel.org/all/?x=m&t=1&q=%s", True),
        ("searchmask", "https://lore.kernel.org/all/?x=m", False),
        ("searchmask", "https://lore.kernel.org/all/?x=%s&q=%s", False),
        ("searchmask", "https://lore.kernel.org/all/?x=%20&q=%s", False),
        ("linkmask", "ssh://host/%s", False),
    ],
)
def test_a_mask_is_a_url_with_one_place(name: str, mask: str, good: bool) -> None:
    assert is_mask(name, mask) == good
    if not good:
        with pytest.raises(InputError, match=f"git config b4.{name}"):
            require_masks({name: mask})


@given(st.text(max_size=60) | st.text("htps:/%@[]?# .1", max_size=30).map("http://h{}".format))
def test_any_text_gives_settings_or_an_error(text: str) -> None:
    try:
        settings = settings_of(text)
    except InputError:
        return
    assert all(value.count("%s") == 1 == value.count("%") for value in settings.values())
    assert all(value.startswith(("http://", "https://")) for value in settings.values())


ID = "20260521040124.10608-1-lizhe.67@bytedance.com"


@pytest.mark.parametrize(
    ("url", "archive"),
    [
        (f"https://lore.kernel.org/linux-mm/{ID}", ""),
        (f"https://lore.kernel.org/linux-mm/{ID}/T/#u", ""),
        (f"https://lore.kernel.org/all/{ID}/t.mbox.gz", ""),
        (f"https://lore.kernel.org/r/{ID}", ""),
        (f"https://lkml.kernel.org/r/{ID}", ""),
        (f"https://patch.msgid.link/{ID}", ""),
        (f"https://patchwork.kernel.org/project/linux-mm/patch/{ID}/", ""),
        (f"https://inbox.example.org/mm/{ID}/raw", "https://inbox.example.org/mm"),
        (f"http://127.0.0.1:8080/a/b/{ID}/?x=1#m", "http://127.0.0.1:8080/a/b"),
        (f"http://[::1]:8080/{ID.replace('@', '%40')}/", "http://[::1]:8080"),
    ],
)
def test_a_link_names_an_archive_and_a_mail(url: str, archive: str) -> None:
    assert parse_link(url) == (archive, ID)


def test_a_link_has_any_message_id_encoded() -> None:
    assert parse_link("https://h.example/mm/a%2Fb%2B1%25@example.org/T/") == (
        "https://h.example/mm",
        "a/b+1%@example.org",
    )


@pytest.mark.parametrize(
    "url",
    ["", ID, "https://lore.kernel.org/", f"ftp://h/{ID}", f"https:///{ID}", f"https://[::1/{ID}"],
)
def test_what_is_no_link_to_a_mail_names_none(url: str) -> None:
    assert parse_link(url) is None


@given(st.text(max_size=60) | st.text("htps:/%@[]?# .1", max_size=30).map("http://h/{}".format))
def test_any_text_is_a_link_or_none(text: str) -> None:
    link = parse_link(text)
    assert link is None or is_message_id(link[1])
