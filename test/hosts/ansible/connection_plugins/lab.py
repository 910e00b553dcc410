# The connection of Ansible to the hosts of lab.sh, which have no SSH.
import os
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: lab
short_description: runs commands on a host of lab.sh
description: The environment of lab.sh has to be set.
options: {}
"""

SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "lab.sh")


class Connection(ConnectionBase):
    transport = "lab"
    has_pipelining = False

    def _connect(self):
        self._connected = True
        return self

    def close(self):
        self._connected = False

    def _lab(self, *args, stdin=None):
        done = subprocess.run(["bash", SCRIPT, *args], input=stdin, capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._lab("exec", self._play_context.remote_addr, "sh", "-c", cmd, stdin=in_data)

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        status, _, err = self._lab("put", self._play_context.remote_addr, in_path, out_path)
        if status != 0:
            raise OSError(err.decode())

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        status, out, err = self._lab("exec", self._play_context.remote_addr, "cat", in_path)
        if status != 0:
            raise OSError(err.decode())
        with open(out_path, "wb") as file:
            file.write(out)
