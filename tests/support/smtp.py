"""A mail server for the tests: says its port, then each mail it takes, as lines of JSON."""

import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP

REFUSALS = {"again": "451 4.3.0 Come again later", "never": "550 5.1.1 No such mailbox"}


def say(thing):
    print(json.dumps(thing), flush=True)


class Inbox:
    def __init__(self, mode_file):
        self.mode_file = mode_file

    async def handle_RCPT(self, server, session, envelope, address, options):
        with open(self.mode_file) as file:
            mode = file.read()
        if mode in REFUSALS:
            say({"refused": address})
            return REFUSALS[mode]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "sender": str(mail["From"]),
            "subject": str(mail["Subject"]),
            "headers": [name.lower() for name in mail.keys()],
            "text": mail.get_content(),
        })
        return "250 OK"


async def main(mode_file):
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Inbox(mode_file)), "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    # Ends with the test, which holds the other end.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1]))
