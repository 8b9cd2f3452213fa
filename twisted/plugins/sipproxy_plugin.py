"""Lets ``twistd`` find the server.  Strings only: nothing is imported before it is asked for."""

from twisted.application.service import ServiceMaker

serviceMaker = ServiceMaker(
    "sipproxy",
    "sipproxy.tap",
    "A SIP proxy and registrar.",
    "sipproxy",
)
