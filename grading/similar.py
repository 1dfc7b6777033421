# SPDX-License-Identifier: GPL-2.0
"""Which submissions are nearly the same, where nothing told them to be.

A driver is a sequence of words here, without comments and spaces. A name counts for where
it comes again, so that to rename it changes nothing; but what is called and not made in
the file is the kernel's, and keeps its name. Compared are the runs of SPAN words, without
those that the solution has, with any number of its steps, or a good part of the class.
"""

import collections
import functools
import hashlib
import pathlib
import re
import subprocess
import tempfile

import intake

TOP = pathlib.Path(__file__).resolve().parent.parent
SPAN = 16           # words: a statement or two
LEAST = 24          # runs in common: some three statements in a row
SHARE = 0.5         # of the runs of the one that has fewer
KEPT_MAX = 4000     # runs of one file: a driver of 600 lines has that many
PAIRS_MAX = 40      # that are shown of a lab
COMMON = 3, 30      # runs that more than a third of the class has, or 30, are how people do it,
COMMON_LEAST = 6    # when there are more of them than this
DIFF_MAX = 300      # lines
DIFF_SECONDS = 10
COMMENT = ('/*', '//')
WORD = re.compile(r'/\*.*?(?:\*/|\Z)|//[^\n]*|\s+|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?'
                  r'|[A-Za-z_]\w*|\d\w*|->|<<|>>|[<>=!+*/&|^%-]=|&&|\|\||\+\+|--|.', re.S)
KEYWORDS = set('''bool break case char const continue default do else enum false for goto if inline
int long return short signed sizeof size_t ssize_t static struct switch true union unsigned void
while'''.split())


def words_of(source):
    """The words of a C file."""
    return [word for word in WORD.findall(source)
            if not word.isspace() and not word.startswith(COMMENT)]


def made_here(words):
    """The names of the functions in it: NAME ( ... ) {"""
    made, opened = set(), []
    for before, word, after in zip([''] + words, words, words[1:] + ['']):
        if word == '(':
            opened.append(before)
        elif word == ')' and opened:
            name = opened.pop()
            if after == '{':
                made.add(name)
    return made - KEYWORDS


def changeable(words):
    """The names that one may change and nothing else."""
    called = {word for word, after in zip(words, words[1:]) if after == '('}
    names = {word for word in words if word[0].isidentifier()} - KEYWORDS
    return names - (called - made_here(words))


def numbered(run, names):
    """The run, as one word; each name in it by the order of its first place."""
    order = {}
    return ' '.join(f'${order.setdefault(word, len(order))}' if word in names else word
                    for word in run)


def runs_of(source):
    """The runs of a C file, as numbers."""
    words = words_of(source)
    names = changeable(words)
    return {int.from_bytes(hashlib.blake2b(numbered(words[at:at + SPAN], names).encode(),
                                           digest_size=8).digest(), "big")
            for at in range(len(words) - SPAN + 1)}


def read(folder):
    """What was taken, as text."""
    return '\n'.join(path.read_text(errors='replace') for path in sorted(folder.rglob('*.c')))


@functools.cache
def solution_of(lab):
    """The words of the workbook's own driver."""
    driver, = (path for name, path in intake.allowed_files() if name == lab)
    return words_of((TOP / 'solutions' / lab / driver).read_text())


def is_solution(lab, folder):
    """Whether what was taken is the workbook's solution, but for comments and spaces."""
    return words_of(read(folder)) == solution_of(lab)


def known_runs(lab):
    """Those of the skeleton, the solution, and all between."""
    number, known = lab.split('-')[1], set()
    steps = subprocess.run([TOP / 'solutions/cut', '-n', number], check=True, capture_output=True)
    for step in range(int(steps.stdout) + 1):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([TOP / 'solutions/cut', number, str(step), folder], check=True)
            known |= runs_of(read(pathlib.Path(folder)))
    return known


def own_runs(lab, taken, digests):
    """{hash: its runs, without those that prove nothing}"""
    known, owners = known_runs(lab), collections.Counter()
    own = {}
    for digest in digests:
        own[digest] = set(sorted(runs_of(read(taken / digest)) - known)[:KEPT_MAX])
        owners.update(own[digest])
    most = min(COMMON[1], max(COMMON_LEAST, len(digests) // COMMON[0]))
    common = {run for run, count in owners.items() if count > most}
    return {digest: runs - common for digest, runs in own.items()}


def alike(own):
    """[(share, hash, hash)] of those that are, the most alike first."""
    having, shared = collections.defaultdict(list), collections.Counter()
    for digest in sorted(own):
        for run in own[digest]:
            having[run].append(digest)
    for digests in having.values():
        shared.update((one, other) for at, one in enumerate(digests) for other in digests[at + 1:])
    pairs = [(count / min(len(own[one]), len(own[other])), one, other)
             for (one, other), count in shared.items() if count >= LEAST]
    return sorted((pair for pair in pairs if pair[0] >= SHARE), reverse=True)[:PAIRS_MAX]


def difference(one, other, taken):
    """diff's, without its heading; cut, when it is long."""
    files = [sorted((taken / digest).rglob('*.c'))[0] for digest in (one, other)]
    try:
        done = subprocess.run(['diff', '-a', '-w', '-B', '-U', '2', *files], capture_output=True,
                              check=False, timeout=DIFF_SECONDS)
    except subprocess.TimeoutExpired:
        return 'diff takes too long.'
    lines = done.stdout.decode(errors='replace').splitlines()[2:]
    more = [f'... and {len(lines) - DIFF_MAX} lines more'] if len(lines) > DIFF_MAX else []
    return '\n'.join(lines[:DIFF_MAX] + more)


def compare(lab, taken, owners):
    """([(share, hash, hash)], [hash]) of {hash: how many students}: the pairs, and what
    several have handed in, byte by byte."""
    own = own_runs(lab, taken, sorted(owners))
    same = [digest for digest, count in sorted(owners.items()) if count > 1 and len(own[digest]) >= LEAST]
    return alike(own), same
