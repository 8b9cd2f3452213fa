"""Lets ``twistd`` find the server.  Strings only: nothing is imported until ``twistd sipproxy`` runs."""

from twisted.application.service import ServiceMaker

serviceMaker = ServiceMaker(
    "sipproxy",
    "sipproxy.tap",
    "A SIP proxy and registrar whose pipeline is made of modules.",
    "sipproxy",
)
