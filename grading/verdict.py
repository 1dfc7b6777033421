# SPDX-License-Identifier: GPL-2.0
"""What the runs of a submission prove, and how many points that is.

A module has the whole guest in its hands, and can print what it likes. So the
guest's word counts only as far as the host saw the same: QEMU's trace has each
write to a register, in order, those of the DMA controller and those of the serial
port that the results come by. A step that takes transfers passes when the controller
was told to start them before the step's line came; and what the host made up for
this run alone has to come back.
"""

import collections
import re

# What a run comes to: it ended as it should; it did not, and proves nothing from
# there on; its output is not a test's; or the host was at fault, and it proves nothing.
ENDED, EARLY, FORGED, TROUBLE = 'ended', 'early', 'forged', 'trouble'

# The beginnings of what the referee says: see pi/referee.c.
CAUSES = {
    "the guest's kernel reported trouble": ENDED,
    'after result ': EARLY,
    'no verdict within ': EARLY,
    'the guest gave its verdict, and did not end': EARLY,
    "the guest's kernel panicked": EARLY,
    "the guest's kernel is past help": EARLY,
    'the guest switched itself off': EARLY,
    'the guest rebooted before the verdict': EARLY,
    'the tests ended without a plan': EARLY,
    'QEMU ended with status 152': EARLY,        # SIGXCPU
    'QEMU ended with status 153': FORGED,       # SIGXFSZ: no test writes that much
    'QEMU ': TROUBLE,
    'the command did not begin': TROUBLE,
    'the results could not be passed on': TROUBLE,
}

CONTROLLER, SERIAL = 'bcm2835-dma', 'bcm2835-aux'
CHANNEL, REGISTER = 0xf00, 0xff                 # of an address of the controller's
CS, CONBLK_AD, CS_ACTIVE = 0x00, 0x04, 1        # BCM2835 ARM Peripherals, 4.2
MU_IO = 0x40                                    # the same, 2.2
WRITE = re.compile(r"addr 0x([0-9a-f]+) value 0x([0-9a-f]+) size \d+ name '([^']+)'")
RESULT = re.compile(r'(not )?ok (\d+)(?: - ([^#]*))?(# SKIP.*)?')
TEXT_MAX = 2000                                 # characters of a hint that are kept

Step = collections.namedtuple('Step', 'number title state hint transfers')
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
            seen.append((''.join(text).rstrip('\r'), starts))
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
        result = RESULT.match(line)
        challenge = re.match(r'# challenge (\d+)(:| begins)', line)
        if result:
            steps[int(result[2])] = starts
        elif challenge and challenge[2] == ':':
            challenges[int(challenge[1])] = starts
        if result or challenge:
            starts = 0
    return steps, challenges


class Run:
    """One run on the emulated Pi.

    status: pi/run's exit status; lines: its standard output; cause: the referee's, or
    ''; trace: lines of QEMU's trace.
    """

    def __init__(self, status, lines, cause, trace):
        self.lines, self.cause = lines, cause
        self.kind = self.judge(status)
        steps, self.started = transfers_by_step(read_trace(trace))
        self.steps = self.read_steps(steps)

    def judge(self, status):
        """The kind of run, by the referee's verdict."""
        if not self.cause:
            return ENDED if status in (0, 1, 4) else TROUBLE
        for beginning, kind in CAUSES.items():
            if self.cause.startswith(beginning):
                return kind
        return TROUBLE if status == 125 else FORGED

    def read_steps(self, transfers):
        """{number: Step} of the KTAP."""
        steps, last = {}, None
        for line in self.lines:
            match = RESULT.match(line)
            if match:
                last = int(match[2])
                state = 'skipped' if match[4] else 'failed' if match[1] else 'passed'
                steps[last] = Step(last, (match[3] or '').strip(), state, '',
                                   transfers.get(last, 0))
            elif line.startswith('# ') and last and steps[last].state == 'failed':
                steps[last] = add_hint(steps[last], line[2:])
        return steps

    def answers(self):
        """{number: what the guest says came back}"""
        found = (re.fullmatch(r'# challenge (\d+): (.*)', line) for line in self.lines)
        return {int(match[1]): match[2] for match in found if match}


def add_hint(step, text):
    """The step, with a line more to its hint."""
    if re.match(r'\d+ of \d+ passed', text) or text.startswith('challenge '):
        return step
    if not step.hint and text.startswith('Not reached'):
        step = step._replace(state='not reached')
    return step._replace(hint=(step.hint + '\n' + text).strip()[:TEXT_MAX])


def claims_copies(run, weights):
    """Whether a step is said to pass that nobody passes whose driver does not copy."""
    return any(step.state == 'passed' and weights[number].copies
               for number, step in run.steps.items() if number in weights)


def forgery(run, weights, made_up, challenged):
    """What is not as the guest says, or ''. made_up: [bytes]; challenged: a Run or None."""
    if set(run.steps) - set(weights):
        return 'there are results of steps that the lab does not have'
    for number, step in run.steps.items():
        if step.state == 'passed' and step.transfers < weights[number].transfers:
            return (f'step {number} is said to pass, but the DMA controller was told to start '
                    f'{step.transfers} transfers in it, where {weights[number].transfers} or more belong')
    if run.kind == ENDED and run.cause and all(s.state == 'passed' for s in run.steps.values()):
        return f'all steps are said to pass, but {run.cause}'
    if not challenged:
        return ''
    for number, right in enumerate(made_up, 1):
        answer = challenged.answers().get(number)
        if answer != right.hex():
            return (f'the copies are said to work, but of copy {number} that the host made up '
                    + ('nothing' if answer is None else 'something else') + ' came back')
        if not challenged.started.get(number):
            return f'copy {number} that the host made up came back without a DMA transfer'
    return ''


def result(steps, weights, status, why):
    """The part of result.json that the runs decide. steps: {number: Step}"""
    rows = []
    for number, weight in sorted(weights.items()):
        step = steps.get(number) or Step(number, '', 'not reached', '', 0)
        earned = weight.points if status == 'graded' and step.state == 'passed' else 0
        rows.append({'number': number, 'title': step.title, 'state': step.state,
                     'points': earned, 'of': weight.points, 'hint': step.hint,
                     'transfers': step.transfers})
    return {'status': status, 'why': why[:TEXT_MAX], 'steps': rows,
            'points': sum(row['points'] for row in rows),
            'of': sum(weight.points for weight in weights.values())}
