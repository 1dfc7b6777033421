# SPDX-License-Identifier: GPL-2.0
"""What people and programs read of a grading: JUnit XML, a page for the class and one a student.

All text is hostile. Whatever goes into a page goes through tag(), which escapes it; what
cannot be seen, or turns a line around, is spelt out before.
"""

import collections
import html
import pathlib
import re
import unicodedata
import xml.etree.ElementTree as ET

import marks
import similar

TOP = pathlib.Path(__file__).resolve().parent.parent
LOG_MAX = 64 << 10          # characters of a log that go into a page
HINT_MAX = 4000
# What grading adds to a log, and no student can make use of: see codes.sh, challenge.c, jail.
OURS = re.compile(r'^(# (code|challenge) \d.*|==> challenges)\n|/submission/', re.M)
HINTS_SHOWN = 3             # the commonest of a step
IDS_SHOWN = 12
BINS = 10                   # of the distribution
VOID = {'meta', 'br'}

# state: (class, sign, word): the sign says it without a colour, the word to whoever listens
STATES = {'passed': ('p', '✓', 'passed'), 'failed': ('f', '✗', 'failed'),
          'not reached': ('n', '·', 'not reached'), 'skipped': ('s', '–', 'skipped')}
# What a result says that is not to be believed.
SAID = 'n', '?', 'said to pass'
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


# ---- markup ----

class Markup(str):
    """Text that is markup already."""


def plain(text, kept='\n\t'):
    """The text, with each character spelt out that cannot be seen or turns others around."""
    return ''.join(c if c in kept or unicodedata.category(c)[0] != 'C' else ascii(c)[1:-1]
                   for c in str(text))


def join(*parts):
    """Markup of parts: what is not markup is escaped."""
    return Markup(''.join(part if isinstance(part, Markup) else html.escape(plain(part))
                          for part in parts if part is not None))


def tag(name, /, *parts, **attributes):
    """An element. class_ is its class; an attribute that is None is left out."""
    words = ''.join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(plain(value))}"'
                    for key, value in attributes.items() if value is not None)
    end = '' if name in VOID else f'</{name}>'
    return Markup(f'<{name}{words}>{join(*parts)}{end}')


def cut(text, most):
    """The text, or its two ends."""
    if len(text) <= most:
        return text
    return f'{text[:most // 2]}\n[...]\n{text[-most // 2:]}'


def row(*cells):
    """A row of a table; what is no cell yet becomes one."""
    return tag('tr', *[cell if isinstance(cell, Markup) and cell.startswith(('<td', '<th'))
                       else tag('td', cell) for cell in cells])


def table(caption, heads, rows, class_=None):
    """A table in a box of its own, which scrolls, by keyboard, too."""
    head = tag('tr', *[tag('th', head, scope='col') for head in heads])
    inner = tag('table', tag('caption', caption), tag('thead', head), tag('tbody', *rows), class_=class_)
    return tag('div', inner, class_='box', role='region', aria_label=caption, tabindex='0')


def page(title, subtitle, body, contents=None):
    """A whole page, alone in its file."""
    style = (TOP / 'book/page.css').read_text() + (TOP / 'grading/report.css').read_text()
    head = join(tag('meta', charset='utf-8'), tag('title', f'{title}: {subtitle}'),
                tag('meta', name='viewport', content='width=device-width, initial-scale=1'),
                tag('meta', http_equiv='Content-Security-Policy', content=POLICY),
                tag('style', Markup(style)))
    parts = [tag('a', 'To the text', class_='skip', href='#text')]
    if contents:
        links = [tag('li', tag('a', words, href=f'#{place}')) for place, words in contents]
        back = tag('a', 'Back to the text', class_='to-text', href='#text')
        parts.append(tag('nav', tag('ul', *links), back, id='contents', aria_label='Contents'))
    header = tag('header', tag('h1', title, class_='title'), tag('p', subtitle, class_='subtitle'),
                 contents and tag('a', 'Contents', class_='to-contents', href='#contents'))
    parts.append(tag('main', header, body, id='text', tabindex='-1'))
    return ('<!DOCTYPE html>\n' + tag('html', tag('head', head), '\n', tag(
        'body', *parts, class_=None if contents else 'alone'), lang='en-GB') + '\n')


def section(place, title, *parts):
    """Of a page."""
    return tag('section', tag('h2', title, id=place), *parts)


def details(summary, text, is_open=False):
    """What is not seen before it is asked for, unless it is open."""
    return tag('details', tag('summary', summary), tag('pre', text, tabindex='0'),
               open='' if is_open else None) if text.strip() else None


# ---- JUnit XML ----

def xml(text):
    """What XML 1.0 may have in it."""
    return re.sub('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]',
                  lambda match: ascii(match[0])[1:-1], str(text))


def junit(result):
    """A result as JUnit XML, bytes: a test case a step."""
    states = collections.Counter(step['state'] for step in result['steps'])
    suite = ET.Element('testsuite', {
        'name': xml(result['lab']), 'tests': str(len(result['steps'])), 'failures': str(states['failed']),
        'errors': str(int(result['status'] != 'graded')),
        'skipped': str(states['not reached'] + states['skipped'])})
    properties = ET.SubElement(suite, 'properties')
    for name in 'status', 'why', 'points', 'of', 'submission', 'grader':
        ET.SubElement(properties, 'property', {'name': name, 'value': xml(result.get(name, ''))})
    for step in result['steps']:
        case = ET.SubElement(suite, 'testcase', {
            'classname': xml(result['lab']), 'name': xml(f'{step["number"]} - {step["title"]}')})
        first = xml(marks.main_hint(step))
        if step['state'] == 'failed':
            ET.SubElement(case, 'failure', {'message': first}).text = xml(step['hint'])
        elif step['state'] != 'passed':
            ET.SubElement(case, 'skipped', {'message': first or step['state']})
    if result['status'] != 'graded':
        ET.SubElement(suite, 'system-err').text = xml(f'{result["status"]}: {result["why"]}')
    return ET.tostring(suite, encoding='utf-8', xml_declaration=True) + b'\n'


# ---- words ----

def lab_title(lab):
    """As its README has it."""
    first = (TOP / 'labs' / lab / 'README.md').read_text(encoding='utf-8').partition('\n')[0]
    return first.removeprefix('# ')


def counted(number, one, many=None):
    """3 students"""
    return f'{number} {one if number == 1 else many or one + "s"}'


def points_in_words(part):
    """54 of 80 points, less what lateness cost."""
    result = part['result']
    words = f'{marks.number(part["points"])} of {result["of"]} points'
    if part['lost']:
        words += (f': {result["points"]} passed, and {marks.number(part["lost"])} lost, being '
                  f'{counted(part["late"], "day")} late')
    return words


def why_no_result(part):
    """Of a lab without points."""
    if part['refused']:
        return f'Refused: {part["refused"]}.'
    return 'Not graded yet: the machine that grades is in trouble. That costs no points.'


def state_cell(step):
    """A cell of the heat map."""
    class_, sign, word = STATES[step['state']]
    return tag('td', tag('span', sign, aria_hidden='true'), tag('span', word, class_='heard'), class_=class_)


# ---- a student's page ----

def steps_table(result):
    """Of one lab."""
    rows = []
    for step in result['steps']:
        claimed = result['status'] == 'invalid' and step['state'] == 'passed'
        class_, sign, word = SAID if claimed else STATES[step['state']]
        rows.append(row(step['number'], step['title'],
                        tag('td', tag('span', sign, aria_hidden='true'), ' ', word, class_=class_),
                        f'{step["points"]} of {step["of"]}'))
    return table('The steps', ['Step', 'What it tests', 'Result', 'Points'], rows, 'steps')


def hints(result):
    """What the failed steps have to say."""
    return join(*[tag('div', tag('h3', f'Step {step["number"]}: {step["title"]}'),
                      tag('pre', cut(step['hint'], HINT_MAX), tabindex='0'))
                  for step in result['steps'] if step['state'] == 'failed' and step['hint']])


def read_log(folder, name):
    """The log, as a student needs it, and as much as a page holds."""
    try:
        text = (folder / name).read_text(encoding='utf-8', errors='backslashreplace')
        return cut(OURS.sub('', text), LOG_MAX)
    except OSError:
        return ''


def lab_of_student(lab, part, results):
    """A section of the student's page."""
    title = lab_title(lab)
    if not part['result']:
        return section(lab, title, tag('p', why_no_result(part)))
    result, folder = part['result'], results / part['folder']
    said = []
    if result['status'] != 'graded':
        said = [tag('p', tag('strong', result['status'].capitalize()), f': {result["why"]}')]
    elif result['why']:
        said = [tag('p', result['why'])]
    return section(
        lab, title, tag('p', tag('strong', points_in_words(part))), *said, steps_table(result),
        hints(result), details('What the compiler said', read_log(folder, 'build.log'), result['status'] == 'not built'),
        details('What the tests said', read_log(folder, 'run.log')),
        details('What the kernel said', read_log(folder, 'kernel.log')),
        tag('p', f'Submission {result["submission"]}, grader {result["grader"]}.', class_='small'))


def remarks_of(student):
    """What became of the files that were not taken."""
    if not student['remarks']:
        return None
    return section('rest', 'What was left out', tag(
        'p', 'These were handed in, and played no part:'), tag(
            'ul', *[tag('li', remark) for remark in student['remarks']]))


def student_page(student, results):
    """For the student: nobody else is in it."""
    parts = [lab_of_student(lab, part, results) for lab, part in sorted(student['labs'].items())]
    if student['refused']:
        parts.insert(0, tag('section', tag('p', f'What was handed in was refused: {student["refused"]}.')))
    elif not parts:
        parts = [tag('section', tag('p', 'Nothing was handed in.'))]
    return page(student['name'] or student['id'], f'DMA labs, {student["id"]}',
                join(*parts, remarks_of(student)))


# ---- the class's page ----

def link(student):
    """To the student's page."""
    words = [tag('bdi', student['name']), ' '] if student['name'] else []
    return tag('a', *words, tag('span', student['id'], class_='id'), href=f'students/{student["id"]}.html')


def is_passed(result, at):
    """Whether that step has earned its points: of an invalid result, none has."""
    return result['status'] == 'graded' and result['steps'][at]['state'] == 'passed'


def remark_on(part):
    """What the heat map says beside the points."""
    if not part['late']:
        return ''
    lost = f', −{marks.number(part["lost"])}' if part['lost'] else ''
    return f'{counted(part["late"], "day")} late{lost}'


def heat_row(student, part, steps):
    """Of one student: without a result that counts, a word for all steps."""
    result, status = part['result'], marks.status_of(part)
    cells = [tag('td', status, colspan=len(steps), class_='odd')]
    if status == 'graded':
        cells = [state_cell(step) for step in result['steps']]
    return row(tag('th', link(student), scope='row'), *cells, marks.number(part['points']),
               tag('td', remark_on(part), class_='late'))


def having(students, lab):
    """[(student, part)] of those who handed it in."""
    return [(student, student['labs'][lab]) for student in students if lab in student['labs']]


def results_of(parts):
    """The results of (student, part)s."""
    return [part['result'] for _, part in parts if part['result']]


def heat_map(parts):
    """Students against steps."""
    results = results_of(parts)
    steps = results[0]['steps']
    rows = [heat_row(student, part, steps) for student, part in parts]
    share = [round(100 * sum(is_passed(result, at) for result in results) / len(results))
             for at in range(len(steps))]
    foot = tag('tr', tag('th', 'passed', scope='row'), *[tag('td', f'{percent} %') for percent in share],
               tag('td', ''), tag('td', ''), class_='share')
    heads = ['Student', *[tag('abbr', step['number'], title=step['title']) for step in steps],
             'Points', 'Late']
    key = tag('p', *[tag('span', tag('span', sign, class_=f'key {class_}'), f' {word} ')
                     for class_, sign, word in STATES.values()], class_='small')
    return join(table('Students and steps', heads, rows + [foot], 'heat'), key)


def distribution(parts):
    """How many have how many points."""
    points = [part['points'] for _, part in parts if part['result']]
    of = results_of(parts)[0]['of']
    counts = [0] * BINS
    for value in points:
        counts[min(BINS - 1, int(value * BINS / of))] += 1
    rows = []
    for at, count in enumerate(counts):
        least, most = -(-at * of // BINS), -(-(at + 1) * of // BINS) - (at < BINS - 1)
        bar = tag('span', '', class_='bar', style=f'width: {100 * count // max(counts)}%')
        rows.append(row(tag('th', f'{least} to {most}', scope='row'), tag('td', count),
                        tag('td', bar, class_='bars', aria_hidden='true')))
    points.sort()
    middle = (points[(len(points) - 1) // 2] + points[len(points) // 2]) / 2
    return join(tag('p', f'Median {marks.number(middle)}, mean {sum(points) / len(points):.1f}, least '
                    f'{marks.number(points[0])}, most {marks.number(points[-1])}, of {of}.'),
                table('Distribution of points', ['Points', 'Students', 'As a bar'], rows, 'bins'))


def first_open(result):
    """The step that somebody is stuck at, or None."""
    return next((step for step in result['steps'] if step['state'] != 'passed'), None)


def same_hint(hint):
    """Hints that differ in numbers are one."""
    return re.sub(r'0x[0-9a-f]+|\d+', '#', hint)


def commonest(stuck):
    """The commonest hints of [(student, step)]."""
    groups = collections.defaultdict(list)
    for student, step in stuck:
        groups[same_hint(step['hint'])].append((student, step))
    parts = []
    for group in sorted(groups.values(), key=len, reverse=True)[:HINTS_SHOWN]:
        ids = ', '.join(student['id'] for student, _ in group[:IDS_SHOWN])
        more = f' and {len(group) - IDS_SHOWN} more' if len(group) > IDS_SHOWN else ''
        hint = group[0][1]['hint'] or '(no hint)'
        parts.append(tag('li', tag('pre', cut(hint, 600), tabindex='0'), tag(
            'p', f'{counted(len(group), "student")}: {ids}{more}', class_='small')))
    left = len(groups) - HINTS_SHOWN
    rest = tag('p', f'and {counted(left, "other hint")}', class_='small') if left > 0 else None
    return join(tag('ol', *parts, class_='hints'), rest)


def stuck_at(parts):
    """The steps where most are stuck, those of most first."""
    at = collections.defaultdict(list)
    for student, part in parts:
        step = part['result'] and part['result']['status'] == 'graded' and first_open(part['result'])
        if step:
            at[step['number']].append((student, step))
    if not at:
        return tag('p', 'Nobody is stuck.')
    found = []
    for number, stuck in sorted(at.items(), key=lambda item: (-len(item[1]), item[0])):
        found += [tag('h4', f'Step {number}: {counted(len(stuck), "student")}'),
                  tag('p', stuck[0][1]['title']), commonest(stuck)]
    return join(*found)


def lab_of_class(lab, students):
    """A section of the class's page."""
    parts = having(students, lab)
    states = collections.Counter(marks.status_of(part) for _, part in parts)
    del states['graded']
    words = tag('p', f'Handed in by {counted(len(parts), "student")}',
                *[f'; {count} {word}' for word, count in sorted(states.items())], '.')
    if not results_of(parts):
        return section(lab, lab_title(lab), words)
    return section(lab, lab_title(lab), words, heat_map(parts),
                   tag('h3', 'Distribution'), distribution(parts), tag('h3', 'Where people are stuck'),
                   tag('p', 'By the first step that does not pass, with the commonest hints.'),
                   stuck_at(parts))


TO_LOOK_AT = {'refused': 'refused', 'trouble': 'not graded', 'differs': 'graded again, and otherwise'}


def to_look_at(students):
    """[(student, what)] that a person has to decide."""
    found = []
    for student in students:
        found += [(student, marks.refusal(student, student['refused']))] if student['refused'] else []
        for lab, part in sorted(student['labs'].items()):
            for key, words in TO_LOOK_AT.items():
                if part.get(key):
                    found.append((student, f'{lab}: {words}: {part[key]}'))
            result = part['result']
            if result and result['status'] != 'graded':
                found.append((student, f'{lab}: {result["status"]}: {result["why"]}'))
            if part.get('solution'):
                found.append((student, f"{lab}: it is the workbook's own solution, but for comments and spaces"))
            if result and result['look']:
                found.append((student, f'{lab}: {"; ".join(result["look"][:5])}'))
        if student['stranger']:
            found.append((student, 'not on the roster'))
    return found


def look_section(students, strange):
    """What a person has to look at."""
    rows = [row(tag('th', link(student), scope='row'), what) for student, what in to_look_at(students)]
    rows += [row(tag('th', name, scope='row'), why) for name, why in strange]
    absent = [student['id'] for student in students if not student['labs'] and not student['refused']]
    return section('look', 'To be looked at', table('To be looked at', ['Whose', 'What'], rows) if rows
                   else tag('p', 'Nothing.'),
                   tag('p', f'Nothing handed in: {", ".join(absent)}.') if absent else None)


def owners_of(parts):
    """{hash: [student]}"""
    owners = collections.defaultdict(list)
    for student, part in parts:
        if part.get('hash'):
            owners[part['hash']].append(student)
    return owners


def names(owners):
    """Of those who handed the same in."""
    return join(*[join(', ' if at else '', link(student)) for at, student in enumerate(owners)])


def alike_in_lab(lab, students, taken):
    """What is nearly the same in one lab."""
    owners = owners_of(having(students, lab))
    pairs, same = similar.compare(lab, taken, {digest: len(ids) for digest, ids in owners.items()})
    found = [tag('li', names(owners[digest]), ': the same, byte by byte') for digest in same]
    for share, one, other in pairs:
        found.append(tag('li', names(owners[one]), ' and ', names(owners[other]),
                         f': {100 * share:.0f} % of what is their own', details(
                             'The difference', similar.difference(one, other, taken))))
    return join(tag('h3', lab_title(lab)), tag('ul', *found)) if found else None


def alike_section(students, labs, taken):
    """A hint, and no proof."""
    found = [part for part in (alike_in_lab(lab, students, taken) for lab in labs) if part]
    return section('alike', 'Nearly the same', tag(
        'p', 'A hint and no proof: what two submissions share beyond what the skeleton, the solution, '
        'and a good part of the class have, whatever the names in it. Look at the difference, and ask.'),
                   *(found or [tag('p', 'None.')]))


def left_out_section(students):
    """What became of the rest of what was handed in."""
    rows = []
    for student in students:
        if student['remarks']:
            remarks = tag('ul', *[tag('li', remark) for remark in student['remarks']])
            rows.append(row(tag('th', link(student), scope='row'), tag('td', remarks)))
    return section('rest', 'What was left out', table('What was left out', ['Whose', 'What'], rows) if rows
                   else tag('p', 'Nothing.'))


def class_page(students, strange, labs, out, tables):
    """For the instructor. tables: what it was made with, in words."""
    handed_in = sum(bool(student['labs']) for student in students)
    body = join(look_section(students, strange), *[lab_of_class(lab, students) for lab in labs],
                alike_section(students, labs, out / 'taken'), left_out_section(students))
    contents = [('look', 'To be looked at'), *[(lab, lab_title(lab)) for lab in labs],
                ('alike', 'Nearly the same'), ('rest', 'What was left out')]
    return page('DMA labs: the class', f'{counted(len(students), "student")}, of whom {handed_in} handed in ({tables})',
                body, contents)
