# SPDX-License-Identifier: GPL-2.0
"""What the runs of a submission prove, and how many points that is.

A module has the whole guest in its hands, and can print what it likes. So the
guest's word counts only as far as the host saw the same: QEMU's trace has each
write to a register, in order, those of the DMA controller and those of the serial
port that the results come by. A step passes when it says the word that the host made
up for it, when the kernel's log has its beginning and no trouble up to its end, and
when the controller was told to start the transfers that it takes before its line
came; and what the host made up for this run alone has to come back.
"""

import collections
import re

# What a run comes to: it ended as it should; it did not, and what was not proven until
# then is not; its output is not a test's; the host was at fault, and nothing is; or QEMU
# gave up, and whose fault that is shows when it does so again.
ENDED, EARLY, FORGED, TROUBLE, CRASHED = 'ended', 'early', 'forged', 'trouble', 'crashed'

# What the referee says, from its beginning: see pi/referee.c.
CAUSES = [
    ("the guest's kernel reported trouble", ENDED),
    ('after result |no verdict within |the guest gave its verdict, and did not end', EARLY),
    ("the guest's kernel (panicked|is past help)", EARLY),
    ('the guest (switched itself off|rebooted|printed more than)', EARLY),
    (r'the tests ended without a plan|\d+ tests were planned', EARLY),
    ('QEMU ended with status (152|153)', EARLY),    # SIGXCPU, SIGXFSZ: the trace is full
    ('QEMU ended with status (134|139)', CRASHED),  # SIGABRT, SIGSEGV
    ('QEMU |the command did not begin|the results could not be passed on', TROUBLE),
]

CONTROLLER, SERIAL = 'bcm2835-dma', 'bcm2835-aux'
CHANNEL, REGISTER = 0xf00, 0xff                 # of an address of the controller's
CS, CONBLK_AD, CS_ACTIVE = 0x00, 0x04, 1        # BCM2835 ARM Peripherals, 4.2
MU_IO = 0x40                                    # the same, 2.2
WRITE = re.compile(r"addr 0x([0-9a-f]+) value 0x([0-9a-f]+) size \d+ name '([^']+)'")
RESULT = re.compile(r'(not )?ok (\d{1,9})(?: - [^#]*)?(# SKIP.*)?')
CHALLENGE = re.compile(r'# challenge (\d{1,9})(?:: (.*)| begins)')
CODE = re.compile(r'# code (\d{1,9}): (\w+)')
STEP = re.compile(r'(?:needs \d+ )?step "([^"]+)" ')
MARK = re.compile(r'\[ *\d+\.\d+\] dma-labs: run \d+, step (\d{1,9})\.\d+ begins')
TEXT_MAX = 2000                                 # characters of a hint that are kept
HINTS_MAX = 20000                               # characters of all hints

Step = collections.namedtuple('Step', 'number state hint transfers')
Weight = collections.namedtuple('Weight', 'points transfers copies')


def read_weights(path):
    """The lab's steps, {number: Weight}: see grading/points/."""
    weights = {}
    with open(path, encoding='ascii') as lines:
        for line in lines:
            if line.strip() and not line.startswith('#'):
                number, points, transfers, copies = line.split()
                weights[int(number)] = Weight(int(points), int(transfers), copies == 'yes')
    return weights


def read_trace(lines):
    """[(line of results, transfers started since the line before)]"""
    text, armed, starts, seen = [], set(), 0, []
    for line in lines:
        match = WRITE.search(line)
        if not match:
            continue
        address, value, name = int(match[1], 16), int(match[2], 16), match[3]
        if name == CONTROLLER and address & REGISTER == CONBLK_AD:
            armed.add(address & CHANNEL) if value else armed.discard(address & CHANNEL)
        elif name == CONTROLLER and address & REGISTER == CS and value & CS_ACTIVE:
            starts += address & CHANNEL in armed
            armed.discard(address & CHANNEL)
        elif name == SERIAL and address & REGISTER == MU_IO:
            if value & 0xff != ord('\n'):
                text.append(chr(value & 0xff))
                continue
            seen.append((''.join(text).replace('\r', ''), starts))
            text, starts = [], 0
    return seen


def transfers_by_step(seen):
    """{number: transfers started during that step}, and the same of the challenges.

    A line leaves the port a moment after it was printed, so some of a step's first
    transfers may stand before its predecessor's line: the weights leave room for it.
    """
    steps, challenges, starts = {}, {}, 0
    for line, more in seen:
        starts += more
        result, challenge = RESULT.match(line), CHALLENGE.match(line)
        if result:
            steps[int(result[2])] = starts
        elif challenge and challenge[2] is not None:
            challenges[int(challenge[1])] = starts
        if result or challenge:
            starts = 0
    return steps, challenges


def kind_of_end(status, cause):
    """The kind of run, by pi/run's exit status and the referee's verdict."""
    if not cause:
        return ENDED if status in (0, 1, 4) else TROUBLE
    for beginning, kind in CAUSES:
        if re.match(beginning, cause):
            return kind
    return TROUBLE if status == 125 else FORGED


def read_log(lines, reports):
    """The steps that the kernel's log has, and in which of them it reported trouble first."""
    begun, trouble, last = set(), None, 0
    for line in lines:
        match = MARK.match(line)
        if match:
            last = int(match[1])
            begun.add(last)
        elif trouble is None and any(report.search(line) for report in reports):
            trouble = last
    return begun, trouble


class Run:
    """One run on the emulated Pi.

    status: pi/run's exit status; lines: its standard output; cause: the referee's, or '';
    trace: lines of QEMU's trace; log: the kernel's; reports: what it prints in trouble.
    """

    def __init__(self, status, lines, cause, trace, log, reports):
        self.lines, self.cause = lines, cause
        self.kind = kind_of_end(status, cause)
        seen = read_trace(trace)
        transfers, self.started = transfers_by_step(seen)
        self.steps = self.read_steps(transfers)
        self.codes = dict(match.groups() for match in map(CODE.fullmatch, lines) if match)
        self.begun, self.trouble = read_log(log, reports)
        if not self.is_traced([line for line, _ in seen]):
            self.kind, self.cause = TROUBLE, 'the trace is not whole: is a disk full?'

    def is_traced(self, traced):
        """Whether the trace has all results: then it was written to its end."""
        results = [[match.group(1, 2) for match in map(RESULT.match, lines) if match]
                   for lines in (self.lines, traced)]
        return results[0] == results[1][:len(results[0])]

    def read_steps(self, transfers):
        """{number: Step} of the KTAP."""
        steps, last, room = {}, None, HINTS_MAX
        for line in self.lines:
            match = RESULT.match(line)
            if match:
                last = int(match[2])
                state = 'skipped' if match[3] else 'failed' if match[1] else 'passed'
                steps[last] = Step(last, state, '', transfers.get(last, 0))
            elif line.startswith('# ') and last and steps[last].state in ('failed', 'not reached'):
                room -= len(line)
                if room > 0:
                    steps[last] = add_hint(steps[last], line[2:])
        return steps

    def answers(self):
        """{number: what the guest says came back}"""
        found = (CHALLENGE.fullmatch(line) for line in self.lines)
        return {int(match[1]): match[2] for match in found if match and match[2] is not None}

    def passed(self):
        """The numbers of the steps that are said to pass."""
        return [number for number, step in sorted(self.steps.items()) if step.state == 'passed']

    def fail_from(self, number):
        """That step has failed, by what the referee says, and no later one is reached."""
        for later in [n for n in self.steps if n >= number] or [number]:
            step = self.steps.get(later) or Step(later, '', '', 0)
            if later == number:
                step = step._replace(state='failed', hint=(self.cause + '\n' + step.hint).strip())
            elif step.state == 'passed':
                step = step._replace(state='not reached', hint=f'Not reached: it needs step {number}.')
            self.steps[later] = step

    def settle(self, weights):
        """What the kernel's log, and the run's end, take from what the tests say."""
        trouble = self.trouble
        if trouble is None and self.kind == ENDED and self.cause:
            trouble = max(weights)
        if trouble is not None and not self.has_failed(trouble):
            self.fail_from(max(trouble, 1))
        if self.kind == EARLY:
            left = sorted(set(weights) - set(self.passed()))
            first = left[0] if left else max(weights)
            if self.steps.get(first) is None or self.steps[first].state != 'failed':
                self.fail_from(first)

    def has_failed(self, number):
        """Whether the tests say so themselves."""
        return number in self.steps and self.steps[number].state in ('failed', 'not reached')


def add_hint(step, text):
    """The step, with a line more to its hint."""
    if re.match(r'\d+ of \d+ passed|code |challenge ', text):
        return step
    if not step.hint and text.startswith('Not reached'):
        step = step._replace(state='not reached')
    return step._replace(hint=(step.hint + '\n' + text).strip()[:TEXT_MAX])


def claims_copies(run, weights):
    """Whether a step is said to pass that nobody passes whose driver does not copy."""
    return any(weights[number].copies for number in run.passed() if number in weights)


def false_step(run, weights, codes):
    """What is not as the tests would have said it, or ''. codes: {number: word}"""
    if set(run.steps) - set(weights):
        return 'there are results of steps that the lab does not have'
    for number in run.passed():
        if run.codes.get(str(number)) != codes[number]:
            return f'step {number} is said to pass, and not by the tests'
        if number not in run.begun:
            return f"step {number} is said to pass, and the kernel's log does not have it"
        step, needed = run.steps[number], weights[number].transfers
        if step.transfers < needed:
            return (f'step {number} is said to pass, but the DMA controller was told to start '
                    f'{step.transfers} transfers in it, where {needed} or more belong')
    return ''


def false_copy(made_up, challenged):
    """How what the host made up came back, when not by DMA and whole, or ''."""
    for number, right in enumerate(made_up, 1):
        answer = challenged.answers().get(number)
        if answer != right.hex():
            return (f'the copies are said to work, but of copy {number} that the host made up '
                    + ('nothing' if answer is None else 'something else') + ' came back')
        if not challenged.started.get(number):
            return f'copy {number} that the host made up came back without a DMA transfer'
    return ''


def read_titles(path):
    """What each step tests, {number: title}, as the lab's test.sh says it: a submission's own
    output is not asked, and what was not built has none."""
    with open(path, encoding='utf-8') as lines:
        return dict(enumerate((match[1] for match in map(STEP.match, lines) if match), 1))


def result(steps, weights, titles, status, why):
    """The part of result.json that the runs decide. steps: {number: Step}"""
    rows = []
    for number, weight in sorted(weights.items()):
        step = steps.get(number) or Step(number, 'not reached', '', 0)
        earned = weight.points if status == 'graded' and step.state == 'passed' else 0
        rows.append({'number': number, 'title': titles[number], 'state': step.state,
                     'points': earned, 'of': weight.points, 'hint': step.hint,
                     'transfers': step.transfers})
    return {'status': status, 'why': why[:TEXT_MAX], 'steps': rows,
            'points': sum(row['points'] for row in rows),
            'of': sum(weight.points for weight in weights.values())}
