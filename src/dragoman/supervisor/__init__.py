"""Start the processes of one Dragoman and keep them running.

Promise: the listening socket is opened once and lives as long as this process, so that a gateway that dies is
started again without a refused connection. Gateways are started first and wait for nobody. On SIGTERM or SIGINT
the gateways finish what runs, then the keeper reads the journal to its end; a second signal hurries.
Children end when this process is gone. Handles no request itself and knows no dialect.

Children import `child` from here before anything else, so this file imports nothing.
"""
