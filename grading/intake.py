#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Takes from what a student handed in the files that a lab allows.

usage: grading/intake.py ENTRY     prints what it took, and what became of the rest, as JSON

ENTRY is a folder or an archive, and hostile until proven otherwise. Nothing is unpacked:
an archive is read as a stream, within bounds, and of a file that is allowed the bytes are
kept in memory. grading/class runs this as a process of its own, within bounds, too.
"""

import base64
import collections
import gzip
import json
import lzma
import os
import pathlib
import re
import stat
import sys
import tarfile
import unicodedata
import zipfile

TOP = pathlib.Path(__file__).resolve().parent.parent
FILE_MAX = 256 << 10        # bytes of a source; a solution has some 20,000
COUNT_MAX = 5000            # files and folders
TOTAL_MAX = 64 << 20        # bytes, unpacked
ARCHIVE_MAX = 32 << 20      # bytes, packed
RATIO_MAX = 100             # of them, where it matters: sources have 3 to 10
RATIO_FROM = 4 << 20
DEPTH_MAX = 20              # folders in each other
PATH_MAX = 1000             # characters
KEPT_MAX = 64               # files by the name of an allowed one
REMARKS_MAX = 40
SUFFIX = re.compile(r'\.(tar|tar\.gz|tgz|tar\.xz|txz|zip)$', re.I)
# What other systems leave in an archive: not worth a remark.
LITTER = re.compile(r'(^|/)(__MACOSX(/|$)|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)')
KINDS = {0: 'file', stat.S_IFREG: 'file', stat.S_IFDIR: 'folder', stat.S_IFLNK: 'a link',
         stat.S_IFIFO: 'a pipe', stat.S_IFSOCK: 'a socket', stat.S_IFBLK: 'a device',
         stat.S_IFCHR: 'a device'}
NO_FILE = 'neither file nor folder'

# what: 'file', 'folder', or what else it is; read(n): its first n bytes
Member = collections.namedtuple('Member', 'name what size time read')


class Refused(Exception):
    """Nothing is taken from this entry."""


def shown(text, most=200):
    """The text for people: what cannot be seen, or may look like another, is spelt out."""
    cut = text if len(text) <= most else text[:most] + '...'
    return ''.join(c if ' ' <= c <= '~' else ascii(c)[1:-1] for c in cut)


def allowed_files():
    """{(lab, path as in solutions/LAB)}"""
    return {(lab.name, str(file.relative_to(lab)))
            for lab in (TOP / 'solutions').glob('lab-*')
            for file in lab.rglob('*.c') if not file.name.endswith('.mod.c')}


# ---- what an entry can be ----

def reader(folder, name):
    """Of a file in an open folder. It was no link, pipe or device a moment ago."""
    def read(most):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with open(file, 'rb') as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Refused('it changes while it is read')
            return opened.read(most)
    return read


def from_folder(path):
    """Its members. No link is followed."""
    for where, folders, files, folder in os.fwalk(path, follow_symlinks=False):
        base = '' if where == path else os.path.relpath(where, path) + '/'
        if base.count('/') > DEPTH_MAX:
            raise Refused(f'it has more than {DEPTH_MAX} folders in each other')
        folders.sort()
        for name in sorted(folders + files):
            made = os.stat(name, dir_fd=folder, follow_symlinks=False)
            yield Member(base + name, KINDS.get(stat.S_IFMT(made.st_mode), NO_FILE),
                         made.st_size, made.st_mtime, reader(folder, name))


def look_for_bomb(unpacked, packed):
    """Refuses what grows beyond all measure."""
    if unpacked > TOTAL_MAX:
        raise Refused(f'unpacked it has more than {TOTAL_MAX >> 20} MiB: hand in the labs alone')
    if unpacked > max(RATIO_FROM, RATIO_MAX * packed):
        raise Refused(f'it unpacks to more than {RATIO_MAX} times its size')


class Bounded:
    """The stream of a packed file, which ends when it grows too long."""

    def __init__(self, file):
        start = file.read(6)
        file.seek(0)
        self.file, self.total, self.inner = file, 0, file
        if start.startswith(b'\x1f\x8b'):
            self.inner = gzip.GzipFile(fileobj=file)
        elif start == b'\xfd7zXZ\0':
            self.inner = lzma.LZMAFile(file)

    def read(self, size):
        """As of a file."""
        data = self.inner.read(size)
        self.total += len(data)
        look_for_bomb(self.total, self.file.tell())
        return data


class Header(tarfile.TarInfo):
    """A tar's header. Without this, one that is damaged would pass for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_):
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError,
                tarfile.SubsequentHeaderError) as error:
            raise Refused(f'the archive is damaged: {error}') from error


def what_in_tar(member):
    """The kind of a tar's member."""
    if member.issparse():
        return 'a file with holes'
    if member.isreg():
        return 'file'
    if member.isdir():
        return 'folder'
    return 'a link' if member.issym() or member.islnk() else 'a device or a pipe'


def from_tar(path):
    """Its members, one after the other."""
    with open(path, 'rb') as file:
        stream = Bounded(file)
        with tarfile.open(fileobj=stream, mode='r|', tarinfo=Header, encoding='utf-8') as tar:
            for member in tar:
                yield Member(member.name, what_in_tar(member), member.size, member.mtime,
                             lambda most, member=member: tar.extractfile(member).read(most))
            if stream.total < tar.offset:
                raise Refused('the archive is cut short')


def what_in_zip(info):
    """The kind of a zip's member."""
    if info.flag_bits & 1:
        return 'encrypted'
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return 'packed by a method that is not usual'
    if info.is_dir():
        return 'folder'
    return KINDS.get(stat.S_IFMT(info.external_attr >> 16), NO_FILE)


def from_zip(path):
    """Its members."""
    with zipfile.ZipFile(path) as archive:
        total = 0
        for info in archive.infolist():
            total += info.file_size
            look_for_bomb(total, os.stat(path).st_size)

            def read(most, info=info):
                with archive.open(info) as opened:
                    return opened.read(most)
            yield Member(info.orig_filename, what_in_zip(info), info.file_size, 0, read)


def only_archive(path):
    """The one archive of a folder that has neither sources nor folders, as Moodle hands it out;
    else the path."""
    if os.path.islink(path) or not os.path.isdir(path):
        return path
    names = [name for name in os.listdir(path) if not LITTER.search(name)]
    archives = [name for name in names if SUFFIX.search(name)]
    if len(archives) != 1 or any(name.endswith('.c') or os.path.isdir(os.path.join(path, name)) for name in names):
        return path
    return os.path.join(path, archives[0])


def members_of(path):
    """Of a folder or an archive."""
    made = os.lstat(path)
    if stat.S_ISDIR(made.st_mode):
        return from_folder(path)
    if not stat.S_ISREG(made.st_mode):
        raise Refused(f'it is {KINDS.get(stat.S_IFMT(made.st_mode), NO_FILE)}')
    if not SUFFIX.search(path):
        raise Refused('it is neither a folder nor .tar, .tar.gz, .tar.xz or .zip')
    if made.st_size > ARCHIVE_MAX:
        raise Refused(f'it is larger than {ARCHIVE_MAX >> 20} MiB: hand in the labs alone')
    return from_zip(path) if path.lower().endswith('.zip') else from_tar(path)


# ---- what is taken of it ----

def wrong_with_name(name):
    """Why nobody should have a file of this name, or ''."""
    if len(name) > PATH_MAX:
        return 'its name is too long'
    if any('\udc80' <= c <= '\udcff' for c in name):
        return 'its name is not UTF-8'
    if any(unicodedata.category(c)[0] == 'C' for c in name):
        return 'its name has characters that cannot be seen'
    if '\\' in name:
        return 'its name has a backslash'
    if name.startswith('/') or re.match('[A-Za-z]:', name):
        return 'its name begins at the root'
    if '..' in name.split('/'):
        return 'its name leads out of the submission'
    return ''


class Intake:
    """What is found in one entry."""

    def __init__(self):
        self.remarks, self.kept, self.paths, self.count, self.left_out = [], [], [], 0, 0
        self.allowed = allowed_files()
        self.names = {os.path.basename(path) for _, path in self.allowed}

    def remark(self, name, why):
        """For the report."""
        if len(self.remarks) < REMARKS_MAX:
            self.remarks.append(f'{shown(name)}: {why}')
        else:
            self.left_out += 1

    def look_at(self, member):
        """Keeps it, when a lab may have it; says why not, otherwise."""
        self.count += 1
        if self.count > COUNT_MAX:
            raise Refused(f'it has more than {COUNT_MAX} files')
        if LITTER.search(member.name) or member.what == 'folder':
            return
        wrong = wrong_with_name(member.name)
        parts = [part for part in member.name.split('/') if part not in ('', '.')]
        if not wrong and member.what != 'file':
            wrong = member.what
        if not wrong:
            self.paths.append(parts)
            if SUFFIX.search(member.name):
                wrong = 'an archive: one is opened, when there is neither a source nor a folder beside it'
            elif not parts or parts[-1] not in self.names:
                wrong = 'no file that a lab takes'
            elif member.size > FILE_MAX:
                wrong = f'larger than {FILE_MAX >> 10} KiB'
        if wrong:
            self.remark(member.name, wrong)
        else:
            self.keep(member, parts)

    def keep(self, member, parts):
        """Its bytes, as many as it said it has."""
        if len(self.kept) >= KEPT_MAX:
            raise Refused(f'it has more than {KEPT_MAX} files by a name that a lab takes')
        data = member.read(FILE_MAX + 1)
        if len(data) != member.size:
            raise Refused(f'{shown(member.name)} has not the size that it is said to have')
        self.kept.append((parts, data, member.time))

    def folder_of_all(self):
        """1 when all lies in one folder that is no lab's own, such as the student's; or 0."""
        firsts = {parts[0] if len(parts) > 1 else '' for parts in self.paths}
        known = {'labs', 'driver', ''} | {lab for lab, _ in self.allowed}
        return int(len(firsts) == 1 and not firsts & known)

    def place(self, parts):
        """(lab, path), or None. In the lab's folder, in that in labs/, or at the top."""
        for lab, path in self.allowed:
            ends = [path.split('/'), [os.path.basename(path)]]
            if parts in [before + end for before in ([], [lab], ['labs', lab]) for end in ends]:
                return lab, path
        return None

    def take(self):
        """{lab: {'files': {path: bytes}, 'time': seconds}, or {'refused': why}}"""
        labs, skip = {}, self.folder_of_all()
        for parts, data, time in self.kept:
            name, at = '/'.join(parts), self.place(parts[skip:])
            if not at:
                self.remark(name, 'not at a place where a lab has it')
                continue
            lab = labs.setdefault(at[0], {'files': {}, 'time': time})
            if lab['files'].setdefault(at[1], data) != data:
                self.remark(name, 'there are two of it, which differ')
                lab['refused'] = f'there are two {at[1]}, which differ: hand in one'
            lab['time'] = max(lab['time'], time)
        return labs


def untouched(lab, files):
    """Whether it is as it was handed out."""
    return all((TOP / 'labs' / lab / path).read_bytes() == data for path, data in files.items())


def leave_untouched(intake, labs):
    """Whoever hands in the whole workbook hands in the labs that were worked on."""
    same = [lab for lab, taken in labs.items() if untouched(lab, taken['files'])]
    if len(same) < len(labs):
        for lab in same:
            intake.remark(lab, 'as it was handed out, so it is not counted as handed in')
            del labs[lab]


def look_at(path):
    """All that can be said of an entry."""
    intake, labs, refused = Intake(), {}, ''
    try:
        path = only_archive(path)
        for member in members_of(path):
            intake.look_at(member)
        labs = intake.take()
        leave_untouched(intake, labs)
        if not labs:
            refused = 'it has no file that a lab takes'
    except Refused as why:
        refused, labs = str(why), {}
    except MemoryError:
        refused, labs = 'to read it takes too much memory', {}
    except Exception as error:  # pylint: disable=broad-exception-caught
        # Whatever a module for archives stumbles over, the archive made it.
        refused, labs = f'it cannot be read: {shown(str(error))}', {}
    if intake.left_out:
        intake.remarks.append(f'... and {intake.left_out} more')
    is_folder = os.path.isdir(path) and not os.path.islink(path)
    when = os.lstat(path).st_mtime
    return {'refused': refused, 'remarks': intake.remarks, 'labs': {
        lab: {'refused': taken.get('refused', ''), 'time': taken['time'] if is_folder else when,
              'files': {path: base64.b64encode(data).decode()
                        for path, data in taken['files'].items()}}
        for lab, taken in labs.items()}}


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: grading/intake.py ENTRY')
    json.dump(look_at(sys.argv[1]), sys.stdout)
