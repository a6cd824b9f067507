# structure.py - the rules of tests/lint/run about headers, names, threads and words; see CONTRIBUTING.md
# SPDX-License-Identifier: MIT
import os
import re

# Headers that declare what several files of their folder give each other, because these are one object.
PRIVATE = {
    "gateway/server/gate/gate_internal.h": ["gate.c", "gate_http1_read.c", "gate_http2.c", "gate_meter.c"],
}
# Public, and in no header of ours: main, and what stands in for a library's function of that name.
UNDECLARED = re.compile(r"main$|h2o_")

# Left, words of a translation; right, an engineer's. A question ("who is there?") is none of these.
WORDS = [
    (r"\b[Ww]hoever\b", "name the caller, the client or the owner"),
    (r"(?:^|[.;:(]\s+)Who(?:se)?\s(?![^.;)]*\?)", "begin with the subject: the caller, the client, the owner"),
    (r"\b(?:of|to|from|for|by|with|than|as|and|or)\s+who\s+(?!am\b|are\b)\w+", "the caller, the client, the owner"),
    (r"(?:^|[.;:(]\s+)What\s+is(?:n't)?\s(?![^.;)]*\?)", "name the thing"),
    (r"\b(?:of|to|from|for|by|with|than|in|on|at|behind|before|after)\s+what\s+is\b", "name the thing"),
    (r"\b(?:go|goes|went|gone)\s+on\b(?!\s+(?:a|an|the|its|this|that|one|each|to)\b)", "continues, resumes, keeps running"),
    (r"\bby\s+(?:itself|themselves)\b", "automatically, alone, on its own"),
    (r"\banew\b", "again"),
    (r"\b(?:tell|tells|told)\s+of\b", "reports, counts, knows about"),
    (r"\bhad\s+better\b", "should"),
    (r"\b[Nn]obody's\b", "no client's, unused, free"),
]

COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof", "void", "int", "__attribute__", "_Static_assert"}
SECTION = re.compile(r"/\*\s*----")
ON_HUB = re.compile(r"\bhub(?:'s)?[\s-]+thread\b|\bthread\s+of\s+(?:the|its)\s+hub\b", re.I)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def flat(comment):
    """A comment or string as one line of text; each character stays at its offset."""
    return re.sub(r"\n[ \t]*\*?|/\*+|\*/", lambda m: " " * len(m.group(0)), comment)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Function:
    def __init__(self, name, offset, end, parameters, is_inline):
        self.name, self.offset, self.end = name, offset, end
        self.parameters, self.is_inline = parameters, is_inline


class Source:
    """A .c or .h file: its text, its code without comments, strings and directives, its comments."""

    def __init__(self, path):
        with open(path, encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.path = path
        self.pieces = list(COMMENT_OR_STRING.finditer(self.text))
        code = COMMENT_OR_STRING.sub(lambda m: blank(m.group(0)), self.text)
        self.code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: blank(m.group(0)), code, flags=re.M)
        self.comments = [p for p in self.pieces if p.group(0).startswith("/")]

    def declared(self):
        """A header's functions: prototypes, and definitions of inline ones."""
        depth, begin, outer = 0, 0, []
        for match in re.finditer(r"[{};]", self.code):
            char, at = match.group(0), match.start()
            if char == "{":
                if depth == 0:
                    outer.append((begin, at))
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0:
                    begin = at + 1
            elif depth == 0:
                outer.append((begin, at))
                begin = at + 1
        functions = []
        for begin, end in outer:
            statement = re.sub(r"__attribute__\s*\(\(.*?\)\)(?=\s|$)", lambda m: blank(m.group(0)), self.code[begin:end],
                               flags=re.S)
            match = re.match(r"\s*([\w\s*]*?[\s*])(\w+)\s*\((.*)\)\s*$", statement, re.S)
            if match and match.group(2) not in KEYWORDS and "typedef" not in match.group(1):
                first = begin + len(statement) - len(statement.lstrip())
                functions.append(Function(match.group(2), first, end, match.group(3), "inline" in match.group(1)))
        return functions

    def defined(self):
        """name: (offset, body) of the functions of a .c that others can call."""
        found = {}
        for match in re.finditer(r"^(\w[\w\s*]*?)[\s*](\w+)\([^;{}]*\)\s*\n\{", self.code, re.M):
            if match.group(2) not in KEYWORDS and "static" not in match.group(1).split():
                end = self.code.find("\n}", match.end())
                found[match.group(2)] = (match.start(), self.code[match.end():end])
        return found


def check_headers(headers, sources, find):
    home = {name: path for path, source in sources.items() for name in source.defined()}
    declared = {}
    for path, header in headers.items():
        stem = os.path.basename(path)[:-2]
        for function in header.declared():
            declared[function.name] = path
            line = line_of(header.text, function.offset)
            owner = home.get(function.name)
            if path in PRIVATE and owner:
                stem = os.path.basename(owner)[:-2]
            # connection.h may have connections_init: of all of them.
            if not re.match(stem + r"(?:s?_|$)", function.name):
                find(path, line, "prefix", f"{function.name} does not begin with {stem}_, its file's name")
            own = [path[:-2] + ".c"] + [os.path.join(os.path.dirname(path), c) for c in PRIVATE.get(path, [])]
            if not function.is_inline and owner not in own:
                find(path, line, "own-file", f"{function.name} is a function of {owner or 'no file'}, not of {own[0]}")
    listed = {os.path.join(os.path.dirname(header), c) for header, names in PRIVATE.items() for c in names}
    for path, source in sources.items():
        if path[:-2] + ".h" not in headers and path not in listed and path != "gateway/main.c":
            find(path, 1, "header", "has no header of its own, and no private one of its folder is listed to declare it")
        for name, (offset, _) in source.defined().items():
            if name not in declared and not UNDECLARED.match(name):
                find(path, line_of(source.text, offset), "header", f"{name} is in no header: static, or declared")


def is_remark_in_code(header, comment):
    """Behind code on its line, or within a struct: it is about that member."""
    line = header.code.rfind("\n", 0, comment.start()) + 1
    before = header.code[:comment.start()]
    return bool(header.code[line:comment.start()].strip()) or before.count("{") > before.count("}")


def thread_functions(header):
    """The functions that, as the header says, only a hub's thread may call:
    - "hub thread" in the comment before a function, or behind it on its line
    - … in any other comment of its own: all functions up to the next section (/* ---- … ---- */), unless that comment
      is a struct's: then the header's functions whose first parameter is that struct
    An inline function is left to its callers; a function's own "any thread" is an exception."""
    structs, section, functions = set(), "", header.declared()
    marks = sorted([(c.start(), "comment", c) for c in header.comments] + [(f.offset, "function", f) for f in functions],
                   key=lambda mark: mark[0])
    previous = None
    for _, kind, mark in marks:
        if kind == "comment":
            text, rest = flat(mark.group(0)), header.code[mark.end():]
            own_struct = re.match(r"\s*struct\s+(\w+)\s*\{", rest)
            # A blank line behind it: it is about all that follows, not about the next declaration.
            stands_alone = re.match(r"[ \t]*\n[ \t]*\n", header.text[mark.end():])
            if SECTION.match(mark.group(0)):
                section = text
            elif ON_HUB.search(text) and own_struct and not stands_alone:
                structs.add(own_struct.group(1))
            elif ON_HUB.search(text) and stands_alone and not is_remark_in_code(header, mark):
                section = text
            previous = mark
            continue
        own = ""
        if previous and not SECTION.match(previous.group(0)) and not header.code[previous.end():mark.offset].strip():
            own = flat(previous.group(0))
        behind = re.match(r"[;\s]*?(/\*[^\n]*\*/)", header.text[mark.end:header.text.find("\n", mark.end)])
        own += behind.group(1) if behind else ""
        first = re.match(r"\s*(?:const\s+)?struct\s+(\w+)\s*\*", mark.parameters)
        said = ON_HUB.search(own) or ON_HUB.search(section) or (first and first.group(1) in structs)
        if said and not mark.is_inline and not re.search(r"\bany\s+thread\b", own, re.I):
            yield mark


def check_threads(headers, sources, find):
    for path, header in headers.items():
        source = sources.get(path[:-2] + ".c")
        if not source:
            continue
        defined = source.defined()
        for function in thread_functions(header):
            offset, body = defined.get(function.name, (0, "CHECK_THREAD("))
            # Declarations may stand before it; nothing else of any size.
            if "CHECK_THREAD(" not in "\n".join(body.split("\n")[:8]):
                find(source.path, line_of(source.text, offset), "thread",
                     f"{function.name} is the hub thread's, as {path} says, and does not begin with CHECK_THREAD")


def check_words(path, source, find):
    for piece in source.pieces:
        raw = piece.group(0)
        if raw[0] == "'":
            continue
        text = flat(raw) if raw[0] == "/" else " " + raw[1:-1] + " "
        begin = len(text) - len(text.lstrip())
        for pattern, instead in WORDS:
            # ^ is where the text begins, behind the comment's own signs.
            for match in re.compile(pattern).finditer(text[begin:]):
                said = re.sub(r"\s+", " ", match.group(0).strip(" .;:("))
                find(path, line_of(source.text, piece.start() + begin + match.start()), "word", f'"{said}": {instead}')


def check(paths, find):
    files = {p: Source(p) for p in paths if p.startswith(("gateway/", "proto/", "tests/", "bench/"))
             and p.endswith((".c", ".h", ".def"))}
    headers = {p: s for p, s in files.items() if p.startswith("gateway/") and p.endswith(".h")}
    sources = {p: s for p, s in files.items() if p.startswith("gateway/") and p.endswith(".c")}
    check_headers(headers, sources, find)
    check_threads(headers, sources, find)
    for path, source in files.items():
        check_words(path, source, find)
