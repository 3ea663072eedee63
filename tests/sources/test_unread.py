from hwgen.sources.unread import Unread, describe, remedy


def test_files_are_counted_by_suffix_with_the_first_of_each() -> None:
    unread = Unread()
    for name in ("photos/b.HEIC", "photos/c.heic", "photos/IMG_0001", "photos/README.md"):
        unread.add_file(name)
    unread.add("broken link", "photos/d.png")
    assert describe(unread.may_be_data) == (
        "4 files: 2 .heic (photos/b.HEIC, ...), 1 without suffix (photos/IMG_0001), "
        "1 broken link (photos/d.png)"
    )
    assert remedy(unread.may_be_data) == "Convert the images to PNG"
    (notes,) = [kind for kind in unread.kinds.values() if not kind.may_be_data]
    assert (notes.kind, notes.files) == (".md", 1)


def test_archives_are_to_be_unpacked() -> None:
    unread = Unread()
    for name in ("a.rar", "b.gnt.gz", "c.zip", "d.jp2"):
        unread.add_file(name)
    expected = "Convert the images to PNG, and unpack the archives and give the folder"
    assert remedy(unread.may_be_data) == expected
    assert remedy([]) == ""


def test_any_number_of_suffixes_stays_readable() -> None:
    unread = Unread()
    for n in range(1000):
        unread.add_file(f"a.{n:x}q")
        unread.add_file(f"a.long suffix {n}")
    assert len(unread.kinds) <= 101
    assert sum(kind.files for kind in unread.kinds.values()) == 2000


def test_names_are_exact_since_what_is_printed_is_filtered_later() -> None:
    unread = Unread()
    unread.add_file("a\x1b[2J.heic")
    assert "(a\x1b[2J.heic)" in describe(unread.may_be_data)
