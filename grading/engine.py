# SPDX-License-Identifier: GPL-2.0
"""Runs grading/one for many submissions: on this machine.

What grading/one has to say of a submission is in its result, which it writes whole or not
at all. So whatever happens here, to go on is to begin again: what is there, is there.
"""

import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

ONE = os.environ.get('ONE') or os.path.join(os.path.dirname(os.path.realpath(__file__)), 'one')
LIMIT = int(os.environ.get('LIMIT') or 1800)    # seconds: what no submission takes
TRIES = 4                                       # one, and three more
SAID_MAX = 2000                                 # bytes that are kept of what it said
TICK = 0.05


class Progress:
    """A line that is drawn anew on a terminal; elsewhere, a line for each that is done.

    names: {(lab, hash): what people call it}
    """

    def __init__(self, names):
        self.names, self.total, self.done, self.begun = names, len(names), 0, time.monotonic()
        self.draws, self.drawn = sys.stderr.isatty(), ''

    def left(self):
        """How long it takes yet, in words."""
        spent = time.monotonic() - self.begun
        if not self.done or spent < 5:
            return ''
        minutes = round(spent / self.done * (self.total - self.done) / 60)
        return f', about {minutes} min left' if minutes else ', less than a minute left'

    def show(self, running):
        """On a terminal, how far it is."""
        text = f'==> {self.done} of {self.total} graded, {running} running{self.left()}'
        if self.draws and text != self.drawn:
            print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)
            self.drawn = text

    def say(self, text):
        """A line that stays."""
        print(('\r\033[K' if self.draws else '') + text, file=sys.stderr, flush=True)

    def count(self, job, what):
        """One is done."""
        self.done += 1
        if not self.draws:
            self.say(f'==> {self.done} of {self.total}: {self.names[job]}: {what}')

    def end(self):
        """The line has done its work."""
        if self.draws:
            self.say(f'==> {self.done} of {self.total} graded')


class Running:
    """A grading/one. It ends when this program does, and has a session of its own: Ctrl-C
    is for this program to hear."""

    def __init__(self, out, job, tries):
        self.job, self.tries, self.begun = job, tries, time.monotonic()
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ['setpriv', '--pdeathsig', 'TERM', ONE, str(out), *job], stdin=subprocess.DEVNULL,
            stdout=self.said, stderr=subprocess.STDOUT, start_new_session=True)

    def ended(self):
        """Its exit status, or None. Beyond the limit, it is ended."""
        if self.process.poll() is None and time.monotonic() - self.begun > LIMIT:
            self.kill(signal.SIGKILL)
            self.process.wait()
        return self.process.poll()

    def kill(self, number):
        """It and what it has started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def last_words(self):
        """The end of what it said."""
        with self.said as said:
            said.seek(0, os.SEEK_END)
            said.seek(max(0, said.tell() - SAID_MAX))
            return said.read().decode(errors='replace').strip()


def end_all(running):
    """Time to clear up, and no more."""
    for one in running:
        one.kill(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while any(one.process.poll() is None for one in running) and time.monotonic() < deadline:
        time.sleep(TICK)
    for one in running:
        one.kill(signal.SIGKILL)


def local(out, todo, jobs, progress):
    """Grades the (lab, hash) of todo, so many at once.

    ({(lab, hash): name of the result's folder}, {(lab, hash): trouble})
    """
    queue = collections.deque((job, 1) for job in todo)
    running, done, troubles = [], {}, {}
    try:
        while queue or running:
            while queue and len(running) < jobs:
                running.append(Running(out, *queue.popleft()))
            progress.show(len(running))
            time.sleep(TICK)
            for one in [one for one in running if one.ended() is not None]:
                running.remove(one)
                judge(one, queue, done, troubles)
                if one.job in done or one.job in troubles:
                    progress.count(one.job, troubles.get(one.job, 'graded'))
    finally:
        end_all(running)
    progress.end()
    return done, troubles


def judge(one, queue, done, troubles):
    """What becomes of a grading/one that has ended: one that failed goes to the end."""
    status, said = one.process.returncode, one.last_words()
    if status == 0:
        done[one.job] = said.rpartition('\n')[2]
    elif one.tries < TRIES:
        queue.append((one.job, one.tries + 1))
    else:
        how = f'exit status {status}' if status >= 0 else f'killed by signal {-status}'
        troubles[one.job] = f'{how}: {said}' if said else how


def is_name(name):
    """Whether it can be a result's."""
    return re.fullmatch(r'lab-[a-z0-9-]+-[0-9a-f]{32}-[0-9a-z]+', name)


def newest_result(out, job):
    """The folder, or None: that of the grader that was there last."""
    found = [folder for folder in out.glob(f'results/{job[0]}-{job[1]}-*')
             if is_name(folder.name) and (folder / 'result.json').is_file()]
    return max(found, default=None, key=lambda folder: (folder.stat().st_mtime, folder.name))


def read_result(out, job, name):
    """(result, folder) or (None, None)"""
    folder = out / 'results' / name if is_name(name) else newest_result(out, job)
    if not folder:
        return None, None
    with open(folder / 'result.json', encoding='utf-8') as file:
        return json.load(file), folder
