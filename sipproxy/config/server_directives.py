"""The directives that no module owns: one row each, and nothing else."""

from posixpath import normpath
from typing import Final

from sipproxy.config.directive import (
    Context,
    Converter,
    Directive,
    Take,
    choice,
    each,
    flag,
    integer,
    milliseconds,
    network,
    path,
    single,
    size,
    word,
    words,
)
from sipproxy.config.server_values import (
    LOG_LEVELS,
    SIP_PORT,
    custom_log_of,
    folder_of,
    level_rule_of,
    listen_of,
    log_format_of,
    name_server_of,
    naptr_rule_of,
    proxy_domain_of,
    signature_of,
    stateful_of,
)

#: The sections, for the reference; `sipproxy.config.tree` reads them.
SECTION_DIRECTIVES: Final[tuple[Directive, ...]] = (
    Directive(
        "IfModule", Take.ONE, word, None,
        "What the section holds counts only when the module is loaded by then; with ! when it is "
        "not.",
        multiple=True, syntax="<IfModule [!]NAME> ... </IfModule>",
        example="<IfModule mod_sip_numexpand.c>",
    ),
    Directive(
        "IfDefine", Take.ONE, word, None,
        "What the section holds counts only when the server is started with -D NAME; with ! when "
        "it is not.",
        multiple=True, syntax="<IfDefine [!]NAME> ... </IfDefine>", example="<IfDefine Test>",
    ),
)  # fmt: skip

#: What the loader itself acts on; here for the reference and for spelling.
STRUCTURE_DIRECTIVES: Final[tuple[Directive, ...]] = (
    Directive(
        "Include", Take.ONE, words, None,
        "Take in another file here; of a folder or a pattern every file, in order of name.",
        multiple=True, syntax="Include FILE|FOLDER|PATTERN", example="Include conf/trunks.d/*.conf",
    ),
    Directive(
        "IncludeOptional", Take.ONE, words, None,
        "Do as Include does, without a fault when nothing is there.",
        multiple=True, syntax="IncludeOptional FILE|FOLDER|PATTERN",
        example="IncludeOptional conf/local.conf",
    ),
    Directive(
        "LoadModule", Take.ONE_OR_TWO, words, None,
        "Load a module that is not loaded by itself; a path after the name is ignored.",
        multiple=True, syntax="LoadModule NAME [PATH]", example="LoadModule mod_sip_trace",
    ),
)  # fmt: skip

_FORKING = "this server is one process that serves all calls"
_LOCKING = "this server is one process and shares nothing that needs it"


def _without_effect(name: str, why: str) -> Directive:
    return Directive(
        name, Take.MANY, words, None,
        "Accepted for the sake of older files, and without effect.",
        multiple=True, syntax=f"{name} ANYTHING", ignored=why,
    )  # fmt: skip


SERVER_DIRECTIVES: Final[tuple[Directive, ...]] = (
    # Where things are.
    Directive(
        "ServerRoot", Take.ONE, single(folder_of, "FOLDER"), None,
        "The folder that every relative path in the configuration starts from.",
        context=Context.MAIN, example="ServerRoot /usr/local/sip",
        default_words="the folder that holds conf/, when the file is in such a folder; else the "
        "folder of the file",
    ),
    Directive(
        "PidFile", Take.ONE, path, "logs/sipd.pid",
        "The file that holds the number of the server's process while it runs.",
    ),
    Directive(
        "StateDir", Take.ONE, path, "state",
        "The folder of what must outlive a restart: registrations above all.",
        syntax="StateDir FOLDER", example="StateDir /var/lib/sipproxy",
    ),
    Directive(
        "JournalSync", Take.FLAG, flag, "Off",
        "On waits for the disk before a registration is answered: it then survives a power cut, "
        "not only a crash of the server.",
    ),
    Directive(
        "MaxBindings", Take.ONE, integer(1, 100_000_000), "2000000",
        "The most contacts that can be registered at a time, as a guard of the memory.",
    ),
    # Logs.
    Directive(
        "ErrorLog", Take.ONE, path, "logs/error_log",
        "The file for what goes wrong and for what the server has to say.",
    ),
    Directive(
        "LogLevel", Take.ONE_OR_TWO, Converter(level_rule_of, "LEVEL"), "notice",
        "How much goes to the error log; with a name in front, how much of that module.",
        multiple=True, syntax=f"LogLevel [MODULE] {'|'.join(LOG_LEVELS)}",
        example="LogLevel mod_sip_registry debug",
        keeps_default=True, identity=lambda rule: rule.module,
    ),
    Directive(
        "LogFormat", Take.TWO, Converter(log_format_of, "FORMAT"),
        (
            r'"%h %l %u %t \"%r\" %>s %b" common',
            r'"%h %l %u %t \"%r\" %>s %D from=%{from}x to=%{to}x call=\"%{Call-ID}i\" '
            r'target=%{target}x by=%{module}x" sip',
        ),
        "Give a nickname to a format of the access log.",
        multiple=True, syntax='LogFormat "FORMAT" NICKNAME',
        example=r'LogFormat "%t %h \"%r\" %>s" short',
        keeps_default=True, identity=lambda given: given.nickname,
    ),
    Directive(
        "CustomLog", Take.ONE_OR_TWO, Converter(custom_log_of, "FILE"), "logs/access_log sip",
        "An access log, a line for each finished request, in a format named or written out; "
        "or Off.",
        multiple=True, syntax='CustomLog FILE [NICKNAME|"FORMAT"] | CustomLog Off',
        example="CustomLog logs/calls_log common", identity=lambda log: normpath(log.path),
    ),
    # Where the server is reached, and what it is responsible for.
    Directive(
        "Listen", Take.MANY, Converter(listen_of, "PORT"), str(SIP_PORT),
        "An address and port to be reached at, by both udp and tcp when none is named; a port "
        "alone means every IPv4 address, [::]:PORT every IPv6 address; advertise says what to be "
        "called when others know this machine by another address.",
        multiple=True, syntax="Listen [ADDRESS:]PORT [udp] [tcp] [advertise HOST[:PORT]]",
        example="Listen 192.0.2.5:5060 udp advertise sip.example.com",
        identity=lambda spec: spec[:3],
    ),
    Directive(
        "ProxyDomain", Take.MANY, each(single(proxy_domain_of, "DOMAIN")), None,
        "The domains that this server is responsible for, besides the addresses it listens on.",
        multiple=True, example="ProxyDomain example.com example.net",
    ),
    Directive(
        "ServerSignature", Take.ONE, single(signature_of, "TEXT|Off"), "sipproxy",
        "What the server calls itself in the Server header of its answers; Off leaves that out.",
        example='ServerSignature "example.com telephony"',
    ),
    # What it does with requests.
    Directive(
        "ServerType", Take.ONE, choice("Proxy", "Redirect"), "Proxy",
        "What is done with a request for somebody: Proxy forwards it.",
    ),
    Directive(
        "StatefulServer", Take.ONE, single(stateful_of, "On"), "On",
        "Whether the server remembers each transaction until it is over.",
    ),
    Directive(
        "AddRecordRoute", Take.FLAG, flag, "On",
        "Whether the later requests of a call come through this server too.",
    ),
    Directive(
        "Recursive", Take.FLAG, flag, "Off",
        "On tries the contacts of a 3xx answer itself, Off leaves that to the caller.",
    ),
    Directive(
        "UseCallerPreferences", Take.FLAG, flag, "Off",
        "On lets a phone choose by action=proxy or action=redirect in its Contact how calls to it "
        "are handled, whatever ServerType says.",
    ),
    Directive(
        "GroupNoAnswerTimer", Take.ONE, milliseconds(0, 3_600_000), "0",
        "How long phones of one q value ring before those of the next are tried; 0 waits for their "
        "answer.",
        example="GroupNoAnswerTimer 20000",
    ),
    Directive(
        "MaxForks", Take.ONE, integer(1, 100), "5",
        "The most phones that ring at a time for one call.",
    ),
    Directive(
        "RelayPolicy", Take.ONE, choice("Registered", "Open", "None"), "Registered",
        "Who may send requests on to domains that are not ours: users registered here, everybody "
        "(dangerous), or nobody; a TrustedPeer may always.",
    ),
    Directive(
        "TrustedPeer", Take.MANY, each(network), None,
        "Addresses and networks whose requests are relayed whatever RelayPolicy says.",
        multiple=True, example="TrustedPeer 192.0.2.10 198.51.100.0/24",
    ),
    # Locating servers (RFC 3263).
    Directive(
        "NameServer", Take.MANY, each(single(name_server_of, "ADDRESS[:PORT]")), None,
        "Name servers to ask, the best first; they should all know the same.",
        multiple=True, syntax="NameServer ADDRESS[:PORT] ...",
        example="NameServer 192.0.2.53 [2001:db8::53]:53",
        default_words="those of /etc/resolv.conf",
    ),
    Directive(
        "DnsTimeout", Take.ONE, milliseconds(500, 60_000), "5000",
        "How long a request may wait for its next hop to be located; a name server that is silent "
        "for a tenth of it has the next one asked as well.",
    ),
    Directive(
        "DnsNaptr", Take.ONE_OR_TWO, Converter(naptr_rule_of, "On|Off"), "On",
        "Whether NAPTR records are asked for; with a zone in front, for names in that zone.  Off "
        "helps where the name servers of a zone do not answer such questions.",
        multiple=True, syntax="DnsNaptr [ZONE] On|Off", example="DnsNaptr carrier.example Off",
        keeps_default=True, identity=lambda rule: rule[1],
    ),
    Directive(
        "DnsCacheMin", Take.ONE, milliseconds(500, 3_600_000), "5000",
        "An answer of a name server is remembered for at least this long, whatever it says itself.",
    ),
    Directive(
        "DnsCacheMax", Take.ONE, milliseconds(1000, 604_800_000), "86400000",
        "An answer of a name server is remembered for at most this long; beyond its end it serves "
        "only while no name server answers.",
    ),
    Directive(
        "SkipFailedFor", Take.ONE, milliseconds(0, 3_600_000), "30000",
        "How long a next hop that timed out or could not be reached is tried last; doubled each "
        "time it is found dead again.  0 never skips.",
    ),
    # Timers of RFC 3261 section 17.
    Directive(
        "SIP_T1_in_ms", Take.ONE, milliseconds(10, 60_000), "500",
        "T1, the estimate of a round trip: a request sent by udp is repeated after this time.",
    ),
    Directive(
        "SIP_T2_in_ms", Take.ONE, milliseconds(10, 600_000), "4000",
        "T2, the longest interval between two repetitions of a request other than INVITE.",
    ),
    Directive(
        "SIP_T4_in_ms", Take.ONE, milliseconds(10, 600_000), "5000",
        "T4, how long a message may linger in the network.",
    ),
    Directive(
        "InviteExpiration", Take.ONE, milliseconds(1000, 86_400_000), "185000",
        "Timer C: how long a call may ring, counted from the last provisional answer.",
    ),
    # Sizes and limits.
    Directive(
        "PreferTcpAbove", Take.ONE, size(0, 65_535), "1300",
        "A request larger than this is sent by tcp although udp was meant, as RFC 3261 wants it; "
        "0 never does.",
    ),
    Directive(
        "TcpConnectTimeout", Take.ONE, milliseconds(100, 600_000), "5000",
        "How long a connection may take to open before the next address is tried.",
    ),
    Directive(
        "TcpIdleTimeout", Take.ONE, milliseconds(1000, 86_400_000), "180000",
        "How long a connection may be silent before it is closed, unless a registered phone is "
        "reached through it.",
    ),
    Directive(
        "TcpWriteBuffer", Take.ONE, size(65_536, 1_073_741_824), "524288",
        "How much may wait to be written to one connection before the connection is given up.",
    ),
    Directive(
        "MaxTcpConnections", Take.ONE, integer(1, 1_000_000), "10000",
        "The most connections open at a time, in both directions.",
    ),
    Directive(
        "MaxTcpConnectionsPerSource", Take.ONE, integer(1, 1_000_000), "1000",
        "The most connections open at a time from one address.",
    ),
    Directive(
        "MaxTransactions", Take.ONE, integer(100, 100_000_000), "200000",
        "The most transactions remembered at a time; above it new requests are answered 503.",
    ),
    # Of the original's process model and of its shared files nothing is left.
    _without_effect("StartServers", _FORKING),
    _without_effect("MinSpareServers", _FORKING),
    _without_effect("MaxSpareServers", _FORKING),
    _without_effect("MaxClients", f"{_FORKING}; MaxTransactions limits the load"),
    _without_effect("MaxRequestsPerChild", _FORKING),
    _without_effect("LockFile", _LOCKING),
    _without_effect("ScoreBoardFile", f"{_LOCKING}; sipctl status shows what it does"),
)  # fmt: skip
