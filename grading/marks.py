# SPDX-License-Identifier: GPL-2.0
"""Who is in the class, what lateness costs, and the tables for learning platforms."""

import csv
import datetime
import io
import math
import os
import re

DAY = 86400
# Of a student: it becomes a file's name.
ID = re.compile(r'[A-Za-z0-9][A-Za-z0-9._+@-]{0,62}[A-Za-z0-9_+@-]|[A-Za-z0-9]')
NO_ID = 'no student has such an id: letters, digits and . _ + @ - make one'
# What a spreadsheet would take for a formula.
FORMULA = re.compile(r'[=+\-@\t\r]')


class Wrong(Exception):
    """What a person has to mend."""


# ---- tables that come in ----

def read_table(path, least, most):
    """[(line, [cell])] of a table with so many columns; a heading and # are left out."""
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise Wrong(f'{path}: it is not UTF-8: {error}. Save it as "CSV UTF-8"') from error
    said = (line for line in text.splitlines() if line.strip() and not line.startswith('#'))
    rows = csv.reader(io.StringIO(text), delimiter=';' if ';' in next(said, '') else ',')
    found = []
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith('#') or cells[0].lower() in ('id', 'lab'):
            continue
        if not least <= len(cells) <= most:
            counts = f'{least} to {most}' if least < most else f'{most}'
            raise Wrong(f'{path}:{rows.line_num}: it has {len(cells)} columns, not {counts}')
        found.append((rows.line_num, cells))
    return found


def read_unique(path, least, most):
    """{first cell: [the others]}: each is there once."""
    found = {}
    for line, (key, *cells) in read_table(path, least, most):
        if key in found:
            raise Wrong(f'{path}:{line}: "{key}" is there twice')
        found[key] = cells
    return found


def read_time(text, where):
    """Seconds; a day ends with its last second. In this machine's time, unless it says. A
    spreadsheet may have turned a day around: 31.1.2027."""
    text = re.sub(r'^(\d{1,2})\.(\d{1,2})\.(\d{4})\b', lambda day: f'{day[3]}-{day[2]:>02}-{day[1]:>02}', text)
    text = re.sub(r' (\d):', r' 0\1:', text)
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f'{where}: "{text}" is no time: 2027-01-31, or 2027-01-31 18:00') from None
    seconds = time.timestamp()
    return seconds + DAY - 1 if re.fullmatch(r'\d+-\d+-\d+', text) else seconds


def read_roster(path):
    """{id: (name, email)}"""
    roster = {student: (cells[0], cells[1] if len(cells) > 1 else '')
              for student, cells in read_unique(path, 2, 3).items()}
    first = next(iter(roster), '')
    if roster and roster[first][1] and '@' not in roster[first][1]:
        del roster[first]       # a heading, in whatever words
    for student in roster:
        if not ID.fullmatch(student):
            raise Wrong(f'{path}: "{student}": {NO_ID}; a heading begins with id, or with #')
    return roster


def read_times(path):
    """{id: seconds}"""
    return {student: read_time(cells[0], path) for student, cells in read_unique(path, 2, 2).items()}


def read_deadlines(path, labs):
    """{lab: (deadline, points lost a day, last day)}; a lab is named, or has its number."""
    found = {}
    for name, (deadline, a_day, last) in read_unique(path, 4, 4).items():
        lab = [lab for lab in labs if name in (lab, lab.split('-')[1])]
        if not lab:
            raise Wrong(f'{path}: there is no lab "{name}": {", ".join(labs)}')
        if not re.fullmatch(r'\d{1,3}([.,]\d+)?', a_day):
            raise Wrong(f'{path}: "{a_day}" are no points a day')
        found[lab[0]] = read_time(deadline, path), float(a_day.replace(',', '.')), read_time(last, path)
        if found[lab[0]][2] < found[lab[0]][0]:
            raise Wrong(f'{path}: lab {name}: the last day, {last}, is before the deadline')
    return found


# ---- what lateness costs ----

def mark(part, deadline):
    """Adds to a student's lab: late, in days begun; lost; points, or None without a result."""
    result = part['result']
    part.update(late=0, lost=0, points=None)
    if not result:
        return
    points = result['points']
    if deadline and part['time'] > deadline[0]:
        part['late'] = math.ceil((part['time'] - deadline[0]) / DAY)
        part['lost'] = min(points, round(part['late'] * deadline[1], 2))
        if part['time'] > deadline[2]:
            part['lost'] = points
    part['points'] = points - part['lost']


def number(value):
    """Without a fraction, where it has none; nothing, where there are no points."""
    return '' if value is None else f'{value:g}'


# ---- tables that go out ----

def guarded(cell):
    """A cell that no spreadsheet takes for a formula."""
    text = str(cell)
    is_number = re.fullmatch(r'-?\d+(\.\d+)?', text)
    return f"'{text}" if FORMULA.match(text) and not is_number else text


def csv_text(rows):
    """As RFC 4180 has it."""
    out = io.StringIO()
    csv.writer(out, lineterminator='\r\n').writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue()


def status_of(part):
    """A word for what became of a student's lab."""
    if not part:
        return 'not handed in'
    if part['refused']:
        return 'refused'
    return 'not graded' if part['trouble'] else part['result']['status']


def days_late(part):
    """In words."""
    return f'{part["late"]} day{"" if part["late"] == 1 else "s"} late'


def main_hint(step):
    """The first line of its hint that says more than which part of the step it is."""
    lines = step['hint'].splitlines() or ['']
    return next((line for line in lines if not re.fullmatch(r'\(.*\)', line)), lines[0])


def refusal(student, why):
    """The reason, and what may explain it."""
    return '; '.join([f'refused: {why}', *student['remarks'][:1]])[:500]


def feedback(student, lab):
    """A line for the student."""
    part = student['labs'].get(lab)
    refused = student['refused'] or part and part['refused']
    if refused:
        return refusal(student, refused)
    if not part or not part['result']:
        return status_of(part)
    result = part['result']
    passed = sum(step['state'] == 'passed' for step in result['steps'])
    words = f'{passed} of {len(result["steps"])} steps pass.'
    if result['status'] != 'graded':
        words = f'{result["status"]}: {result["why"]}.'
    first = next((step for step in result['steps'] if step['state'] == 'failed'), None)
    if first:
        words += f' Step {first["number"]} fails: {main_hint(first)}'
    if part['lost']:
        words += f' {days_late(part)}: {number(part["lost"])} points lost.'
    return words[:500]


def grades_csv(students, labs):
    """All that is known, a student's lab a row."""
    rows = [['id', 'name', 'email', 'lab', 'status', 'handed in', 'days late', 'points passed',
             'points lost', 'points', 'of', 'submission', 'result']]
    for student in students:
        for lab in labs:
            part = student['labs'].get(lab)
            result = part and part['result'] or {}
            known = part and part['time'] is not None
            when = datetime.datetime.fromtimestamp(int(part['time'])).isoformat(' ') if known else ''
            late = [part['late'], result['points'], part['lost'], part['points']] if result else [''] * 4
            rows.append([student['id'], student['name'], student['email'], lab,
                         'refused' if student['refused'] else status_of(part), when,
                         *[number(cell) if cell != '' else '' for cell in late],
                         result.get('of', ''), result.get('submission', ''),
                         part and part.get('folder') or ''])
    return csv_text(rows)


def points_of(student, lab):
    """A cell: empty, where there is no grade."""
    part = student['labs'].get(lab)
    return number(part['points']) if part else ''


def moodle_csv(students, labs):
    """For Moodle's grade import, by ID number or email address."""
    rows = [['ID number', 'Email address', *labs, *[f'{lab} (feedback)' for lab in labs]]]
    for student in students:
        rows.append([student['id'], student['email'], *[points_of(student, lab) for lab in labs],
                     *[feedback(student, lab) for lab in labs]])
    return csv_text(rows)


def canvas_csv(students, labs, most):
    """For Canvas's gradebook, by the student's SIS id. most: {lab: points}"""
    rows = [['Student', 'ID', 'SIS User ID', 'SIS Login ID', 'Section', *labs],
            ['    Points Possible', '', '', '', '', *[most.get(lab, '') for lab in labs]]]
    for student in students:
        rows.append([student['name'] or student['id'], '', student['id'], '', '',
                     *[points_of(student, lab) for lab in labs]])
    return csv_text(rows)


def of_environment(name, read, *more):
    """What the table that NAME names has; {} without one."""
    path = os.environ.get(name)
    if not path:
        return {}
    try:
        return read(path, *more)
    except OSError as error:
        raise Wrong(f'{name}={path}: {error.strerror}') from error
