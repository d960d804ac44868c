"""free_port.py: prints a port of 127.0.0.1 that nobody has, for a server that is started next. It is none
that the system gives to clients (32768 and above on Linux, 49152 by IANA): a connection of another test would
have it before that server has."""
import random
import socket


def free_port():
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port


if __name__ == '__main__':
    print(free_port())
