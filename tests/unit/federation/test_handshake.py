from __future__ import annotations

import pytest

from federation.errors import NotPermittedError
from federation.handshake import (
    ALPHABET,
    InvitationCodeError,
    check_number,
    format_code,
    invitation_id,
    link,
    new_secret,
    parse_code,
    request_mac,
    verify_request_mac,
)
from federation.ids import BaseUrl
from federation.keys import SigningKey
from tests.unit.federation.nodes import Bytes

HOST = BaseUrl("https://spalier.optence.example")
SECRET = bytes.fromhex("00112233445566778899")
CODE = "spalier.optence.example/008J3-4CT4V-ANK7T-F24SY"


def parse(text: str) -> bytes:
    return parse_code(text, allow_loopback_http=False).secret


def test_the_published_code() -> None:
    assert format_code(HOST, SECRET) == CODE
    read = parse_code(CODE, allow_loopback_http=False)
    assert (read.base_url, read.secret) == (HOST, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        CODE.lower(),
        CODE.upper(),
        f"  {CODE}\n",
        CODE.replace("-", " "),
        CODE.replace("-", ""),
        CODE.replace("-", "\u2013"),
        "spalier.optence.example/OO8J3-4CT4V-ANK7T-F24SY",
        "spalier.optence.example/oo8j3 4ct4v ank7t f24sy",
    ],
)
def test_how_people_type_it(text: str) -> None:
    assert parse(text) == SECRET


def test_i_and_l_read_as_one() -> None:
    secret = bytes.fromhex("0842108421" * 2)
    code = format_code(HOST, secret)
    assert "1111" in code
    host, _, letters = code.partition("/")
    assert parse(f"{host}/{letters.replace('1', 'I')}") == secret
    assert parse(f"{host}/{letters.replace('1', 'l')}") == secret


def test_every_single_wrong_letter_names_its_group() -> None:
    host, _, letters = CODE.partition("/")
    for position, letter in enumerate(letters):
        if letter == "-":
            continue
        for other in ALPHABET + "U*":
            if other == letter:
                continue
            wrong = letters[:position] + other + letters[position + 1 :]
            with pytest.raises(InvitationCodeError) as caught:
                parse(f"{host}/{wrong}")
            assert caught.value.group == position // 6 + 1
            assert f"Group {position // 6 + 1}" in str(caught.value)


def test_exchanged_letters_and_groups_are_noticed() -> None:
    host, _, letters = CODE.partition("/")
    groups = letters.split("-")
    for index, group in enumerate(groups):
        for first in range(5):
            for second in range(first + 1, 5):
                swapped = list(group)
                swapped[first], swapped[second] = swapped[second], swapped[first]
                if "".join(swapped) == group:
                    continue
                changed = [*groups]
                changed[index] = "".join(swapped)
                with pytest.raises(InvitationCodeError) as caught:
                    parse(f"{host}/{'-'.join(changed)}")
                assert caught.value.group == index + 1
    groups[1], groups[2] = groups[2], groups[1]
    with pytest.raises(InvitationCodeError) as caught:
        parse(f"{host}/{'-'.join(groups)}")
    assert caught.value.group == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "host"),
        ("008J3-4CT4V-ANK7T-F24SY", "host"),
        ("/008J3-4CT4V-ANK7T-F24SY", "host"),
        ("localhost/008J3-4CT4V-ANK7T-F24SY", "host"),
        ("127.0.0.1:8101/008J3-4CT4V-ANK7T-F24SY", "host"),
        ("good@evil.example/008J3-4CT4V-ANK7T-F24SY", "host"),
        ("spalier.optence.example/008J3-4CT4V-ANK7T", "length"),
        ("spalier.optence.example/008J3-4CT4V-ANK7T-F24SYY", "length"),
        ("spalier.optence.example/", "length"),
    ],
)
def test_host_and_length(text: str, part: str) -> None:
    with pytest.raises(InvitationCodeError) as caught:
        parse(text)
    assert caught.value.part == part
    assert caught.value.group is None


def test_loopback_means_http() -> None:
    base = BaseUrl("http://127.0.0.1:8101")
    code = format_code(base, SECRET)
    assert code.startswith("127.0.0.1:8101/")
    assert parse_code(code, allow_loopback_http=True).base_url == base


def test_a_link_keeps_the_secret_out_of_the_request() -> None:
    text = link(HOST, CODE, "4F2A 91CC 07B3 6D1E")
    address, _, fragment = text.partition("#")
    assert address == f"{HOST}/kopplung"
    assert "008J3" not in address
    assert "key=4F2A91CC07B36D1E" in fragment
    assert parse(text) == SECRET


def test_check_number_is_the_same_on_both_sides() -> None:
    random = Bytes("check")
    first, second, third = (SigningKey.generate(random).public_key for _ in "abc")
    number = check_number(SECRET, first, second)
    assert number == check_number(SECRET, second, first)
    assert len(number) == 9
    assert number.replace(" ", "").isdigit()
    assert number != check_number(SECRET, first, third)
    assert number != check_number(new_secret(random), first, second)


def test_the_invitation_name_tells_nothing_of_the_secret() -> None:
    name = invitation_id(SECRET)
    assert len(name) == 16
    assert name != invitation_id(SECRET[:-1] + b"\0")
    assert format_code(HOST, SECRET).partition("/")[2][:4].lower() not in name


def test_the_mac_covers_every_field_but_itself_and_the_proof() -> None:
    document = {"actor": {"id": "a"}, "target": "b", "nonce": "c"}
    document["mac"] = request_mac(SECRET, document)
    verify_request_mac(SECRET, {**document, "proof": {"any": "thing"}})
    for changed in (
        {**document, "target": "x"},
        {**document, "actor": {"id": "x"}},
        {**document, "extra": 1},
        {**document, "mac": "x"},
        {**document, "mac": "ä"},
        {**document, "mac": None},
        {key: value for key, value in document.items() if key != "mac"},
    ):
        with pytest.raises(NotPermittedError) as caught:
            verify_request_mac(SECRET, changed)
        assert caught.value.code == "invitation-refused"
    with pytest.raises(NotPermittedError):
        verify_request_mac(b"other", document)


def test_the_published_vector() -> None:
    from federation.keys import PublicKey

    first = PublicKey.from_multibase("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
    second = PublicKey.from_multibase(
        "z6MktgKTsu1QhX6QPbyqG6geXdw6FQCZBPq7uQpieWbiQiG7"
    )
    assert invitation_id(SECRET) == "lsm6lv6vb64pfijp"
    assert check_number(SECRET, first, second) == "7576 1011"
    assert first.fingerprint == "3BA2 8CBD DB7C 2559"
    document = {"target": HOST, "nonce": "A" * 22}
    assert request_mac(SECRET, document) == (
        "f6Md6BvNS6E3M7dHpJtTyS4wvynK4oH2E7-o2ZxT3Ik"
    )
