"""Bounds of the node itself; those of the protocol are in `federation/limits.py`.

docs/limits.md lists both and is compared with them by a test. What is not bounded
here or there is bounded by the form of the data: texts and lists by the schemas,
columns by their length.
"""

from datetime import timedelta
from typing import Final

from federation.limits import KIB, Rate

MIB: Final = 1024 * KIB

# -- connections ----------------------------------------------------------------

CONNECTIONS_MAX: Final = 512
"""Connections at once, all together (NOD-041)."""
CONNECTIONS_FOR_PARTNERS: Final = 128
"""Of these, kept for the addresses of partners and of the reverse proxies (NOD-041)."""
CONNECTIONS_PER_ADDRESS_MAX: Final = 32
"""Connections at once from one address that is no reverse proxy of ours (NOD-041)."""
PARTNER_ADDRESSES_MAX: Final = 2_000
"""Addresses remembered as those of partners (NOD-041)."""
PARTNER_ADDRESS_KEPT: Final = timedelta(hours=24)
"""How long an address counts as a partner's after a request that it signed
(NOD-041)."""
HEAD_TIMEOUT: Final = timedelta(seconds=15)
"""Time from the opening of a connection, or from the last answer on it, until the next
request's first lines must be there; afterwards it is closed (NOD-042)."""
WRITE_TIMEOUT: Final = timedelta(seconds=30)
"""Time in which a reader must have taken what was written; afterwards it is cut
(NOD-042)."""
LINGER_TIMEOUT: Final = timedelta(seconds=2)
"""Time for which the rest of a refused body is still read, so that the sender gets the
answer (NOD-042)."""
HEAD_LINE_BYTES_MAX: Final = 8 * KIB
"""Longest request line, and longest field (NOD-043)."""
HEAD_FIELDS_MAX: Final = 64
"""Most fields of a request (NOD-043)."""

# -- requests -------------------------------------------------------------------

DOOR_TIMEOUT: Final = timedelta(seconds=30)
"""Time for a request at a door, from its first line to the answer (NOD-042)."""
PAGE_TIMEOUT: Final = timedelta(seconds=300)
"""Time for a request of a page, until its form has arrived and is handled; the import
of the largest file needs minutes (NOD-042)."""
PROVED_AT_ONCE_MAX: Final = 2
"""Bodies of partners whose proofs are verified at once; of one partner, one
(FED-135)."""
PARTNER_REQUESTS_AT_ONCE_MAX: Final = 8
"""Requests of one partner at once; further ones are refused (FED-135)."""
RETRY_SOON: Final = timedelta(seconds=1)
"""What a partner with too many requests at once is told to wait for (FED-135)."""
INLINE_BODY_BYTES_MAX: Final = 32 * KIB
"""Longest body that is verified without a thread of its own (FED-135)."""
BODIES_BYTES_MAX: Final = 64 * MIB
"""Bodies at the doors that are still being received and whose head a partner's key
has signed, all together (NOD-043)."""
BODIES_BYTES_PER_ADDRESS_MAX: Final = 8 * MIB
"""The same of one address: two pages (NOD-043)."""
BODIES_BYTES_PER_PARTNER_MAX: Final = 16 * MIB
"""The same of one partner (NOD-043)."""
STRANGERS_BYTES_MAX: Final = 8 * MIB
"""All other bodies at the doors that are still being received, all together
(NOD-043)."""
STRANGERS_BYTES_PER_ADDRESS_MAX: Final = MIB
"""The same of one address (NOD-043)."""
FORM_BYTES_MAX: Final = 8 * MIB
"""Longest form of a page: the import of a members' list (NOD-043)."""
PAGE_RATE: Final = Rate(per_second=20.0, burst=600.0)
"""Requests of pages from one address; files of the layout are not counted (NOD-044)."""
RETRY_UNAVAILABLE: Final = timedelta(seconds=10)
"""What a visitor is told to wait for while the database cannot be used (NOD-058)."""
PROBE_KEPT: Final = timedelta(seconds=1)
"""How long the finding of `/readyz` holds (NOD-008)."""

# -- what is remembered ---------------------------------------------------------

ARCHIVE_BYTES_MAX: Final = 512 * MIB
"""Most that an archive of public entries holds, all files together (EXC-026)."""
ARCHIVE_FILE_BYTES_MAX: Final = 16 * MIB
"""Longest file in it (EXC-026)."""
ARCHIVE_FILES_MAX: Final = 50_000
"""Most files in it (EXC-026)."""
END_UNDONE_WITHIN: Final = timedelta(days=30)
"""How long an office may take the end of a partnership back, as long as the partner was
not told of it (EXC-024)."""
PROCESSED_KEPT: Final = timedelta(days=30)
"""How long the ids of messages, confirmations and refusals are remembered after they
took effect; of those that end a partnership or change keys, for ever (FED-136)."""
PUBLIC_CACHE: Final = timedelta(seconds=60)
"""How long a cache may keep a public entry (PRT-047)."""
DISCOVERY_CACHE: Final = timedelta(seconds=300)
"""How long a cache may keep actor, WebFinger and NodeInfo (PRT-047)."""

# -- members --------------------------------------------------------------------

SESSION_IDLE: Final = timedelta(hours=12)
"""A session ends after this long without a page (MEM-007)."""
SESSION_LIFETIME: Final = timedelta(days=7)
"""A session ends then, however much it is used (MEM-007)."""
PASSWORD_TRIES: Final = 10
"""Wrong passwords of one account within `TRIES_WITHIN` (MEM-007)."""
LINK_TRIES: Final = 5
"""Sign-in links of one account within `TRIES_WITHIN` (MEM-007)."""
TRIES_WITHIN: Final = timedelta(minutes=15)
"""The time for which tries are counted (MEM-007)."""
ACCOUNTS_REMEMBERED_MAX: Final = 10_000
"""Accounts of which tries are remembered (MEM-007)."""
PASSWORD_CHARACTERS_MIN: Final = 12
"""Shortest password (NIST SP 800-63B asks for 8, ASVS 5.0 for 12 without a second
factor) (MEM-007)."""
PASSWORD_CHARACTERS_MAX: Final = 200
"""Longest password (MEM-007)."""
PASSWORDS_AT_ONCE_MAX: Final = 2
"""Passwords computed at once; each takes 64 MiB and a core (MEM-007)."""
SIGN_IN_LINK_LIFETIME: Final = timedelta(minutes=30)
"""How long a link opens a session (MEM-007)."""
FIRST_PASSWORD_LINK_LIFETIME: Final = timedelta(days=14)
"""How long a new member's link sets the first password (MEM-007)."""
CONFIRM_ENTRY_LINK_LIFETIME: Final = timedelta(days=30)
"""How long the link in a reminder confirms an entry (NOD-045)."""
LINKS_KEPT: Final = timedelta(days=30)
"""How long a used or expired link is remembered, so that its page can say so
(MEM-007)."""
IMPORT_BYTES_MAX: Final = 10 * MIB
"""Longest file with members or entries (MEM-003)."""
IMPORT_ROWS_MAX: Final = 20_000
"""Most rows of such a file (MEM-003)."""
SEARCH_CHARACTERS_MAX: Final = 200
"""Longest search text (NOD-045)."""
INVITATION_DAYS_MAX: Final = 60
"""Longest life of an invitation, in days (NOD-045)."""

# -- policy sheets --------------------------------------------------------------

POLICY_LEASE_DAYS_MAX: Final = 30
"""Longest lease of its own that a policy sheet may name, in days; a longer one would be
none (VIS-085)."""
POLICY_RETENTION_DAYS_MAX: Final = 3_650
"""Longest time, in days, for which a policy sheet may keep content that is no longer
shown (VIS-085)."""
POLICY_TOPICS_MAX: Final = 20
"""Topics that a policy sheet keeps back (VIS-080)."""
POLICY_TOPIC_CHARACTERS_MAX: Final = 60
"""Longest of them (VIS-080)."""
POLICY_REMINDER: Final = timedelta(days=14)
"""How long before a policy sheet ends the office is told (VIS-082)."""
RELEASE_LINES_SHOWN: Final = 200
"""Entries named in the list that an office releases to a partner; all are counted
(VIS-076)."""
EFFECT_LINES_SHOWN: Final = 50
"""Entries named in the preview of a ceiling; all are counted (VIS-075)."""
EXCLUDED_ORGANISATIONS_MAX: Final = 50
"""Organisations that one entry excludes; the same in schemas/publication (VIS-071)."""
POLICY_LINES_SHOWN: Final = 200
"""Entries that a preview of a policy sheet names; it counts all (VIS-082)."""

# -- mails, deliveries, commands ------------------------------------------------

MAILS_AT_ONCE: Final = 50
"""Mails in one connection to the mail server (NOD-045)."""
MAIL_RETRY_FIRST: Final = timedelta(minutes=1)
"""Delay after a mail failed first (NOD-045)."""
MAIL_RETRY_MAX: Final = timedelta(hours=1)
"""Longest delay between two tries of a mail (NOD-045)."""
MAIL_STEP_TIMEOUT: Final = timedelta(seconds=30)
"""Time for each command to the mail server (NOD-045)."""
PARTNERS_AT_ONCE_MAX: Final = 16
"""Deliveries at once, to all partners together (NOD-045)."""
UNACCOUNTED_MAX: Final = 2_000
"""Entries of which one partner says that it holds them, and which our ledger cannot
explain, that are listed for the office (FED-156)."""
COMPARISON_TIME_MAX: Final = timedelta(minutes=5)
"""Longest that a partner may take to list what it holds; others wait for its turn
meanwhile (FED-156)."""
ROUNDS_IN_A_TURN: Final = 5
"""Requests to one partner before others that wait come first (NOD-045)."""
PULLED_PAGES_MAX: Final = 1_000
"""Pages of one catch-up; a partner that always has more is asked again later
(NOD-045)."""
CONTROL_REQUEST_BYTES_MAX: Final = 24 * MIB
"""Longest command through the control socket: a file in base64 and its frame
(NOD-045)."""
CONTROL_ANSWER_BYTES_MAX: Final = 64 * MIB
"""Longest answer to a command (NOD-045)."""
CONTROL_FILE_BYTES_MAX: Final = 16 * MIB
"""Longest file that a command takes (NOD-045)."""
CONTROL_CONNECTIONS_MAX: Final = 256
"""Commands that wait for the control socket (NOD-045)."""

# -- several processes (PostgreSQL) ---------------------------------------------

LEASE_LENGTH: Final = timedelta(seconds=15)
"""How long a process that is gone keeps a partner, or the work of the clock, from the
others (NOD-052)."""
LEASE_RENEWED_EVERY: Final = timedelta(seconds=4)
"""How often a process renews what it holds, and tries what others hold (NOD-052)."""
KEYS_READ_EVERY: Final = timedelta(seconds=10)
"""How often a process looks whether another one has changed the keys, though it should
have been told (NOD-055)."""
IDLE_TRANSACTION_MAX: Final = timedelta(seconds=15)
"""How long a process that stands still keeps rows locked; then PostgreSQL ends its
transaction (NOD-056)."""
LOCK_WAIT_MAX: Final = timedelta(seconds=20)
"""How long a transaction waits for rows that another one has locked (NOD-056)."""

# -- what the office sees -------------------------------------------------------

PARTNER_DAYS_SHOWN: Final = 14
"""Days of the strip that shows when a partner was reached, today among them
(EXC-027)."""
PARTNER_DAYS_KEPT: Final = timedelta(days=15)
"""How long it is remembered on which days a partner was reached (EXC-027)."""

# -- backups --------------------------------------------------------------------

BACKUPS_HOURLY: Final = 24
"""Backups of a folder that are kept of the latest hours that have one, one for each
hour (NOD-064)."""
BACKUPS_DAILY: Final = 14
"""Backups of a folder that are kept of the latest days that have one, one for each
day, unless `backup.keep` says otherwise (NOD-064)."""
DECISIONS_KEPT_BEYOND: Final = timedelta(days=30)
"""How much longer than the oldest backup the erasure journal remembers a decision about
an entry or a person (NOD-067)."""
BACKUP_LATE: Final = timedelta(hours=48)
"""How old the newest backup may be before the office is told (NOD-065)."""
BACKUP_LINE_BYTES_MAX: Final = 16 * MIB
"""Longest line of a backup: one row (NOD-061)."""
BACKUP_HEADER_BYTES_MAX: Final = 4 * KIB
"""Longest first line of a backup (NOD-061)."""
BACKUP_CHUNK_BYTES: Final = MIB
"""Piece of a backup that is encrypted by itself (NOD-062)."""
BACKUP_PROOFS_TRIED: Final = 50
"""Entries whose proofs a trial restore verifies (NOD-063)."""
BACKUP_FILES_READ_MAX: Final = 2_000
"""Files of a folder that are looked at as backups (NOD-064)."""
PASSPHRASE_BYTES_MAX: Final = 1024
"""Longest passphrase of a backup (NOD-062)."""
