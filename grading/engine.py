# SPDX-License-Identifier: GPL-2.0
"""Runs grading/one for many submissions: on this machine, or on a cluster by Slurm.

What grading/one has to say of a submission is in its result, which it writes whole or not
at all. So whatever happens here, to go on is to begin again: what is there, is there.
"""

import collections
import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

GRADING = os.path.dirname(os.path.realpath(__file__))
ONE = os.path.realpath(os.environ.get('ONE') or os.path.join(GRADING, 'one'))
LIMIT = int(os.environ.get('LIMIT') or 1800)    # seconds: what no submission takes
TRIES = 4                                       # one, and three more
SAID_MAX = 2000                                 # bytes that are kept of what it said
TICK = 0.05
HANDFUL = 4             # submissions a task of Slurm's: enough for what it takes to start it
TASKS_MAX = 1000        # as Slurm has it, unless it is told otherwise
SLURM_TICK = 1          # seconds: each look asks the controller
CLEARING = 10           # seconds for what is ended to clear up
ENDING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP   # who is told so, ends


@contextlib.contextmanager
def only_in_pauses():
    """pause(seconds), in which alone it is heard that this program shall end: elsewhere, what
    is just begun would be known to nobody."""
    asked = []
    handlers = [(number, signal.getsignal(number)) for number in ENDING]

    def pause(seconds):
        time.sleep(seconds)
        if asked:
            raise KeyboardInterrupt

    for number, handler in handlers:
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda *_: asked.append(True))
    try:
        yield pause
        pause(0)
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)


class Progress:
    """A line that is drawn anew on a terminal; elsewhere, a line for each that is done.

    names: {(lab, hash): what people call it}; before: the names of results that are there
    """

    def __init__(self, names, before):
        self.names, self.before, self.total, self.done, self.begun = names, before, len(names), 0, time.monotonic()
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

    def end(self, results):
        """The line has done its work. results: the names of all."""
        found = len(self.before.intersection(results))
        if self.draws or found:
            self.say(f'==> {self.done} of {self.total} graded' + (f', {found} of them before' if found else ''))


# Ends when its parent does, of which it gets the number: even if that has ended before the
# kernel was told so.
WITH_PARENT = ['setpriv', '--pdeathsig', 'TERM', 'sh', '-c', '[ "$PPID" != "$0" ] || exec "$@"']


class Running:
    """A grading/one. It ends when this program does, and has a session of its own: Ctrl-C
    is for this program to hear."""

    def __init__(self, out, job, tries):
        self.job, self.tries, self.overdue = job, tries, time.monotonic() + LIMIT
        self.told = None        # when it was told to end
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*WITH_PARENT, str(os.getpid()), ONE, str(out), *job], stdin=subprocess.DEVNULL,
            stdout=self.said, stderr=subprocess.STDOUT, start_new_session=True)

    def ended(self):
        """Its exit status, or None. Beyond the limit, it is ended: with time to clear up."""
        status, now = self.process.poll(), time.monotonic()
        if status is None and self.told and now > self.told + CLEARING:
            self.kill(signal.SIGKILL)
        elif status is None and not self.told and now > self.overdue:
            self.told = now
            self.kill(signal.SIGTERM)
        return status

    def kill(self, number):
        """It and what it has started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def last_words(self):
        """The end of what it said; or that it took too long."""
        with self.said as said:
            if self.told:
                return f'it was ended after {LIMIT} s'
            said.seek(0, os.SEEK_END)
            said.seek(max(0, said.tell() - SAID_MAX))
            return said.read().decode(errors='replace').strip()


def end_all(running):
    """Time to clear up, and no more."""
    for one in running:
        one.kill(signal.SIGTERM)
    deadline = time.monotonic() + CLEARING
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
    with only_in_pauses() as pause:
        try:
            while queue or running:
                while queue and len(running) < jobs:
                    running.append(Running(out, *queue.popleft()))
                progress.show(len(running))
                pause(TICK)
                for one in [one for one in running if one.ended() is not None]:
                    running.remove(one)
                    if judge(one.job, one.process.returncode, one.last_words(), one.tries, done, troubles):
                        found = ' before' if done.get(one.job) in progress.before else ''
                        progress.count(one.job, troubles.get(one.job, f'graded{found}'))
                    else:
                        queue.append((one.job, one.tries + 1))
        finally:
            end_all(running)
    progress.end(done.values())
    return done, troubles


def judge(job, status, said, tries, done, troubles):
    """Whether that is all there is to say of it; if not, it is to be tried again."""
    if status == 0:
        done[job] = said.rpartition('\n')[2]
    elif tries == TRIES:
        how = f'exit status {status}' if status >= 0 else f'killed by signal {-status}'
        troubles[job] = f'{how}: {said}' if said else how
    return job in done or job in troubles


# ---- on a cluster ----

class Array:
    """A job array of Slurm's, which grades a list. Its folder has what it leaves."""

    def __init__(self, out, jobs):
        self.jobs = jobs
        number = 1 + max((int(path.name) for path in (out / 'slurm').glob('[0-9]*')), default=0)
        self.folder = out / 'slurm' / str(number)
        (self.folder / 'ended').mkdir(parents=True)
        (self.folder / 'list').write_text(''.join(f'{lab} {digest}\n' for lab, digest in jobs))
        size = max(min(HANDFUL, len(jobs) // 8), 1, math.ceil(len(jobs) / TASKS_MAX))
        self.number = self.submit(out, size, math.ceil(len(jobs) / size))

    def submit(self, out, size, tasks):
        """The job's number."""
        done = subprocess.run(
            ['sbatch', '--parsable', '--requeue', '--job-name=dma-labs', f'--array=0-{tasks - 1}',
             '--open-mode=append', f'--output={self.folder}/%a.log', f'--chdir={self.folder}',
             os.path.join(GRADING, 'handful'), ONE, str(out),
             str(self.folder), str(size), str(LIMIT)], text=True, capture_output=True, check=False,
            start_new_session=True)
        if done.returncode:
            raise OSError(f'sbatch failed: {done.stderr.strip()}')
        return done.stdout.strip().partition(';')[0]

    def states(self):
        """[(state, reason)] of the tasks that have not ended; None when nobody answers."""
        done = subprocess.run(['squeue', '-h', '-r', '-j', self.number, '-o', '%T %r'], text=True,
                              capture_output=True, check=False)
        if done.returncode and 'Invalid job id' not in done.stderr:
            return None
        return [line.split(' ', 1) for line in done.stdout.splitlines()]

    def ended(self):
        """{(lab, hash): (exit status, what it said)}"""
        found = {}
        for job in self.jobs:
            path = self.folder / 'ended' / f'{job[0]}-{job[1]}'
            if path.exists():
                status, _, said = path.read_text(errors='replace').partition('\n')
                found[job] = int(status), said.strip()
        return found

    def cancel(self):
        """Ends what is left of it."""
        subprocess.run(['scancel', self.number], check=False, capture_output=True)


def wait_for(array, progress, pause):
    """Until no task is left, nor one that Slurm would start."""
    counted = set()
    while True:
        states = array.states()
        for job in set(array.ended()) - counted:
            counted.add(job)
            progress.count(job, 'has run')
        if states is None:
            progress.show('the cluster does not answer: none seen')
        elif all('held' in reason.lower() for _, reason in states):
            return
        else:
            progress.show(sum(state == 'RUNNING' for state, _ in states))
        pause(SLURM_TICK)


def slurm(out, todo, progress):
    """As local(), by job arrays: what came to nothing goes into the next one."""
    done, troubles, left = {}, {}, list(todo)
    for tries in range(1, TRIES + 1):
        if not left:
            break
        with only_in_pauses() as pause:
            array = Array(out, left)
            progress.say(f'==> Slurm job {array.number}, {len(left)} submissions: {array.folder}')
            try:
                wait_for(array, progress, pause)
            finally:
                array.cancel()
        ended = array.ended()
        nothing = 1, f'its task left nothing: see {array.folder}'
        left = [job for job in left if not judge(job, *ended.get(job, nothing), tries, done, troubles)]
        progress.done -= len(set(ended) & set(left))
    progress.end(done.values())
    return done, troubles


def results_in(out):
    """The names of those that are there."""
    return {folder.name for folder in out.glob('results/*')}


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
