# ruff: noqa: S608 - the names of tables and columns stand in the code
"""The SQL with which each engine keeps the words of a table's texts.

All of it is the table's own, so that a migration can change the rule for one table. The names of
its tables, columns and indexes contain SEARCH_WORDS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.words import (
    ACCENTED,
    ACCENTS,
    FOLDED,
    FOLDS,
    FORMATS,
    SYMBOLS,
    UNFOLDED,
    characters,
    symbols,
)

SEARCH_WORDS = "search_words"
FOLDS_AT_ONCE = 20  # the parser of SQLite before 3.46 has a small stack
_SEPARATORS = "".join(characters(SYMBOLS))
TOKENIZER = f"unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '{_SEPARATORS}'"
WITH_CASEFOLD = 18  # PostgreSQL; an older one asks ICU, which every distribution builds in
LONGEST = 500  # characters of a word that PostgreSQL keeps; a query has fewer


@dataclass(frozen=True)
class Statements:
    """The statements for a table.

    `index` comes first where the table is empty, and last where it has rows: built at once, it
    takes a third of the time. `missing` is the condition of a row whose words are not kept.
    """

    create: Sequence[str]
    index: str
    drop: Sequence[str]
    missing: str
    lock: str
    fill: str


def for_postgresql(table: str, columns: Sequence[str], version: int) -> Statements:
    """Return the statements for a version of PostgreSQL, 14 or later.

    A trigger sets the column. A generated column would rewrite the table, for minutes, under a
    lock that lets nobody read.
    """
    keep, find = f"{table}_{SEARCH_WORDS}", f"{table}_{SEARCH_WORDS}_query"
    texts = ", ".join(columns)
    new_texts = ", ".join(f"NEW.{column}" for column in columns)
    if version >= WITH_CASEFOLD:
        collation, separators = '"pg_c_utf8"', _escaped(FORMATS + SYMBOLS)
        folded = f"casefold(texts COLLATE {collation})"
    else:
        collation, separators = '"und-x-icu"', _escaped(FORMATS + SYMBOLS + symbols())
        folded = f"translate(lower(texts COLLATE {collation}), '{UNFOLDED}', '{FOLDED}')"
    create = [
        f"""CREATE FUNCTION {keep}(texts text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
  SELECT coalesce(array_to_tsvector(array_agg(left(plain, {LONGEST}))), '')
  FROM string_to_table(regexp_replace(
    replace({folded}, 'ß', 'ss') COLLATE {collation},
    '[[:space:][:punct:][:cntrl:]{separators}]+', ' ', 'g'
  ), ' ') AS word, LATERAL (
    SELECT CASE
      WHEN octet_length(word) = length(word) THEN word
      WHEN word !~ '[{_escaped(ACCENTED)}]' COLLATE {collation} THEN word
      ELSE lower(normalize(regexp_replace(
        normalize(word, NFD), '[{_escaped(ACCENTS)}]+' COLLATE {collation}, '', 'g'
      ), NFC) COLLATE {collation})
    END
  ) AS folded (plain)
  WHERE plain <> ''
)""",
        f"""CREATE FUNCTION {find}(texts text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN array_to_string(tsvector_to_array({keep}(texts)), ' & ')::tsquery""",
        f"""CREATE FUNCTION {keep}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.{SEARCH_WORDS} := {keep}(concat_ws(' ', {new_texts}));
  RETURN NEW;
END $$""",
        f"ALTER TABLE {table} ADD COLUMN {SEARCH_WORDS} tsvector",
        f"""CREATE TRIGGER {keep} BEFORE INSERT OR UPDATE OF {texts} ON {table}
FOR EACH ROW EXECUTE FUNCTION {keep}()""",
    ]
    index = (
        f"ix_{table}_{SEARCH_WORDS} ON {table} "
        f"USING gin ({SEARCH_WORDS}) WITH (gin_pending_list_limit = 512)"
    )
    drop = [
        f"DROP TRIGGER {keep} ON {table}",
        f"ALTER TABLE {table} DROP COLUMN {SEARCH_WORDS}",  # and its index
        f"DROP FUNCTION {keep}()",
        f"DROP FUNCTION {find}(text)",
        f"DROP FUNCTION {keep}(text)",
    ]
    fill = f"UPDATE {table} SET {SEARCH_WORDS} = {keep}(concat_ws(' ', {texts})) WHERE id IN :ids"
    return Statements(
        create, index, drop, f"{SEARCH_WORDS} IS NULL", "FOR UPDATE SKIP LOCKED", fill
    )


def for_sqlite(table: str, columns: Sequence[str]) -> Statements:
    """Return the statements for SQLite: a table of FTS5 over a view of the folded texts."""
    fts, view = f"{table}_{SEARCH_WORDS}", f"{table}_search_texts"
    add = f"INSERT INTO {fts} (rowid, texts) SELECT id, texts FROM {view} WHERE id ="
    remove = f"INSERT INTO {fts} ({fts}, rowid, texts) SELECT 'delete', id, texts FROM {view}"
    is_kept = f"EXISTS (SELECT 1 FROM {fts}_docsize AS kept WHERE kept.id ="
    update = f"UPDATE OF {', '.join(columns)} ON {table}"
    create = [
        _view(view, table, columns),
        f"""CREATE VIRTUAL TABLE {fts} USING fts5(
  texts, content = '{view}', content_rowid = 'id',
  tokenize = "{TOKENIZER}"
)""",
        f"CREATE TRIGGER {fts}_1 AFTER INSERT ON {table} BEGIN {add} NEW.id; END",
        f"""CREATE TRIGGER {fts}_2 BEFORE {update} WHEN {is_kept} OLD.id)
BEGIN {remove} WHERE id = OLD.id; END""",
        f"CREATE TRIGGER {fts}_3 AFTER {update} BEGIN {add} NEW.id; END",
        f"""CREATE TRIGGER {fts}_4 BEFORE DELETE ON {table} WHEN {is_kept} OLD.id)
BEGIN {remove} WHERE id = OLD.id; END""",
    ]
    drop = [
        *(f"DROP TRIGGER {fts}_{number}" for number in (1, 2, 3, 4)),
        f"DROP TABLE {fts}",
        f"DROP VIEW {view}",
    ]
    fill = f"INSERT INTO {fts} (rowid, texts) SELECT id, texts FROM {view} WHERE id IN :ids"
    return Statements(create, "", drop, f"NOT {is_kept} {table}.id)", "", fill)


def _view(name: str, table: str, columns: Sequence[str]) -> str:
    """Return the view of a table's texts, in which each letter of FOLDS is a plain one."""
    texts = " || ' ' || ".join(f"coalesce({column}, '')" for column in columns)
    steps = [f"step0 (id, texts) AS (SELECT id, {texts} FROM {table})"]
    folds = list(FOLDS.items())
    for number, start in enumerate(range(0, len(folds), FOLDS_AT_ONCE)):
        folded = "texts"
        for letter, plain in folds[start : start + FOLDS_AT_ONCE]:
            folded = f"replace({folded}, '{letter}', '{plain}')"
        steps.append(f"step{number + 1} (id, texts) AS (SELECT id, {folded} FROM step{number})")
    chain = ",\n".join(steps)
    return (
        f"CREATE VIEW {name} (id, texts) AS WITH\n{chain}\nSELECT id, texts FROM step{number + 1}"
    )


def _escaped(ranges: str) -> str:
    """Return a class of characters for a regular expression of PostgreSQL."""
    return "".join(each if each == "-" else f"\\U{ord(each):08X}" for each in ranges)
