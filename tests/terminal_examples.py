"""terminal_examples.py: runs the examples keys and pty on a terminal, and types.

    terminal_examples.py KEYS PTY

The leader of the terminal's session is a shell that outlives the example, as the kernel resets a
terminal whose session has ended; what the example has restored is looked at meanwhile. Exit status
1: something is not as it should be; 77: there is no shell that could lead.
"""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

PATIENCE_S = 30
ENVIRONMENT = {**os.environ, "TERM": "dumb", "PS1": "ready> ", "LC_ALL": "C"}
ENVIRONMENT.pop("BASH_ENV", None)
ENVIRONMENT.pop("ENV", None)


class Terminal:
    """A terminal with a program that leads its session."""

    def __init__(self, *command, size=(24, 80)):
        self.manager, terminal = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.manager)
        self.text = ""
        self.leader = os.fork()
        if self.leader == 0:
            os.close(self.manager)
            os.login_tty(terminal) if hasattr(os, "login_tty") else self.lead(terminal)
            os.execvpe(command[0], command, ENVIRONMENT)
        os.close(terminal)

    @staticmethod
    def lead(terminal):
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(terminal, fd)
        for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    def resize(self, rows, columns):
        fcntl.ioctl(self.manager, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.manager, text.encode("latin-1"))

    def read(self, until_s):
        if not select.select([self.manager], [], [], max(0, until_s - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.manager, 65536)
        except OSError:  # nobody has it open any more
            data = b""
        self.text += data.decode("latin-1")
        return len(data) > 0

    def expect(self, pattern):
        """Reads until the pattern is there; what is before it and the match itself are taken."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            if not self.read(until_s):
                sys.exit(f"{pattern!r} did not come; there is {self.text!r}")

    def expect_restored(self):
        now = termios.tcgetattr(self.manager)
        if now != self.before:
            sys.exit(f"the terminal is not as it was: {now}, before {self.before}")

    def end(self):
        os.close(self.manager)
        os.waitpid(self.leader, 0)


def led(program, *arguments):
    """The program as the child of a shell, which tells its number and its status and then waits."""
    inner = 'echo "number $$."; exec "$0" "$@"'
    outer = f"sh -c '{inner}' \"$0\" \"$@\"; echo \"status $?.\"; read line"
    return Terminal("sh", "-c", outer, program, *arguments)


def check_keys(keys):
    terminal = led(keys)
    terminal.expect("press keys")
    terminal.expect("window: 80 x 24\r\n")
    for typed, told in (("a", "a"), ("\x1b[A", "up"), ("\x1bOD", "left"), ("\x1b", "escape"),
                        ("\x03", "ctrl-c"), ("\r", "enter"), ("\x1b[5~", "page up"), ("\x7f", "backspace"),
                        ("\xc3", "byte 0xc3"), (" ", " ")):
        terminal.type(typed)
        terminal.expect(f"key: {told}\r\n")
    terminal.type("\x1b[3")  # a sequence may come in pieces
    terminal.type("~xy")
    terminal.expect("key: delete\r\nkey: x\r\nkey: y\r\n")
    terminal.resize(30, 100)
    terminal.expect("window: 100 x 30\r\n")
    terminal.resize(0, 0)
    terminal.expect("window: 0 x 0\r\n")
    terminal.type("q")
    terminal.expect("key: q\r\n")
    terminal.expect("status 0\\.")
    terminal.expect_restored()
    terminal.end()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        terminal = led(keys)
        pid = int(terminal.expect("number ([0-9]+)\\.")[1])
        terminal.expect("window: ")
        if termios.tcgetattr(terminal.manager) == terminal.before:
            sys.exit("the terminal was not changed")
        os.kill(pid, number)
        terminal.expect(f"status {128 + number}\\.")
        terminal.expect_restored()
        terminal.end()


def shell(*command):
    return Terminal(*command, "bash", "--norc", "--noprofile", "-i")


def check_keys_in_shell(keys):
    """Ctrl-Z, and back with fg."""
    terminal = shell()
    terminal.expect("ready> ")
    terminal.type(f"{keys}\r")
    terminal.expect("window: ")
    terminal.type("a")
    terminal.expect("key: a\r\n")
    for _ in range(2):
        terminal.type("\x1a")
        terminal.expect("Stopped.*\r\n")
        terminal.expect("ready> ")
        terminal.type("stty -a | tr ';' '\\n' | grep -c -w -e -icanon -e -isig; echo 'raw' settings\r")
        terminal.expect("\n0\r\nraw settings\r\n")
        terminal.expect("ready> ")
        terminal.type("fg\r")
        terminal.expect("fg\r\n.*keys\r\n")
        until_s = time.monotonic() + PATIENCE_S
        while termios.tcgetattr(terminal.manager)[3] & (termios.ICANON | termios.ISIG):
            if time.monotonic() > until_s:
                sys.exit("the mode has not come back")
        terminal.type("b")
        terminal.expect("key: b\r\n")
    terminal.type("q")
    terminal.expect("ready> ")
    terminal.type("exit\r")
    terminal.end()


def check_pty(program):
    terminal = led(program, "sh", "-c", "stty size; exit 5")
    terminal.expect("24 80\r\n")
    terminal.expect("status 5\\.")
    terminal.expect_restored()
    terminal.end()
    terminal = led(program, "sh", "-c", "kill -TERM $$")
    terminal.expect("status 143\\.")
    terminal.end()
    terminal = led(program, "/no/such/program")
    terminal.expect("pty: /no/such/program: No such file")
    terminal.expect("status 127\\.")
    terminal.expect_restored()
    terminal.end()
    terminal = led(program, "cat")
    terminal.type("hello\r")
    terminal.expect("hello\r\nhello\r\n")  # echoed once, by the terminal inside
    terminal.type("\x04")
    terminal.expect("status 0\\.")
    terminal.end()
    # Every byte, though the program has ended long before they are read.
    terminal = led(program, "seq", "1", "20000")
    terminal.expect("1\r\n2\r\n")
    terminal.expect("\r\n20000\r\n")
    terminal.expect("status 0\\.")
    terminal.end()
    # Something is left behind that keeps the terminal inside.
    terminal = led(program, "sh", "-c", "trap '' HUP; sleep 60 & echo \"left $!.\"")
    left = int(terminal.expect("left ([0-9]+)\\.")[1])
    terminal.expect("status 0\\.")
    os.kill(left, signal.SIGKILL)
    terminal.expect_restored()
    terminal.end()
    # The program outside ends by a signal: that inside is hung up.
    terminal = led(program, "sh", "-c", "echo inside; read line")
    pid = int(terminal.expect("number ([0-9]+)\\.")[1])
    terminal.expect("inside")
    os.kill(pid, signal.SIGTERM)
    terminal.expect("status 143\\.")
    terminal.expect_restored()
    terminal.end()


def check_pty_with_shell(program):
    terminal = led(program, "bash", "--norc", "--noprofile", "-i")
    terminal.expect("ready> ")
    terminal.type("echo 'a' b\r")
    terminal.expect("echo 'a' b\r\na b\r\n")
    terminal.expect("ready> ")
    terminal.type("stty size\r")
    terminal.expect("stty size\r\n24 80\r\n")
    terminal.expect("ready> ")
    terminal.resize(30, 100)
    until_s = time.monotonic() + PATIENCE_S
    while True:  # the size comes to the inside when pty has heard of it
        terminal.type("stty size\r")
        if terminal.expect("stty size\r\n([0-9]+ [0-9]+)\r\n")[1] == "30 100":
            break
        if time.monotonic() > until_s:
            sys.exit("the window inside has not the new size")
        terminal.expect("ready> ")
    terminal.expect("ready> ")
    for key, told in (("\x1a", "Stopped"), ("\x03", "\\^C")):  # job control is bash's, inside
        terminal.type("sh -c 'echo under way; exec sleep 100'\r")
        terminal.expect("\r\nunder way\r\n")
        terminal.type(key)
        terminal.expect(told)
        terminal.expect("ready> ")
    terminal.type("kill -9 %1; wait %1; echo it is over\r")
    terminal.expect("\r\nit is over\r\n")
    terminal.expect("ready> ")
    terminal.type("exit 3\r")
    terminal.expect("status 3\\.")
    terminal.expect_restored()
    terminal.end()


def check_arguments(keys, program):
    for command, status in (([keys, "x"], 2), ([program, "-x"], 2), ([keys], 1), ([program], 1)):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        name = "keys" if command[0] == keys else "pty"
        start = f"usage: {name}" if status == 2 else f"{name}: "
        if done.returncode != status or not done.stderr.startswith(start):
            sys.exit(f"{command}: {done}")


def main():
    keys, program = sys.argv[1:]
    if shutil.which("sh") is None:
        sys.exit(77)
    check_arguments(keys, program)
    check_keys(keys)
    check_pty(program)
    if shutil.which("bash") is not None and shutil.which("stty") is not None:
        check_keys_in_shell(keys)
        check_pty_with_shell(program)


main()
