"""Who belongs to the cluster: organisations, persons, roles, consent."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from federation.ids import random_id
from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.errors import ConflictError, InputFault, InvalidInputError, NotFoundError
from node.mail.outbox import MailOutbox
from node.members.fields import FieldError, read_email, read_line
from node.members.first_password import issue_first_password
from node.members.import_members import MemberImport, read_member_file, report_of
from node.members.import_report import ImportReport
from node.members.model import Organisation, Person, Role
from node.members.ports import PersonalProfiles
from node.members.rules import require_manage, require_office
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import members as rows
from node.storage.database import Transaction
from node.storage.mail import cancel_mails_for_person
from node.storage.sign_in import delete_sessions_of, drop_links

_NAME_CHARACTERS_MAX: Final = 200
_LABEL_CHARACTERS_MAX: Final = 80  # schemas/values, "label"
_LANGUAGES: Final = frozenset({"de", "en"})


class MemberDirectory:
    """Everything about members; who acts is checked in every change."""

    def __init__(
        self, context: NodeContext, mail: MailOutbox, profiles: PersonalProfiles
    ) -> None:
        """Take the parts of the node.

        Args:
            context: The node.
            mail: Where invitations are written.
            profiles: The catalogue: a consent that is withdrawn takes a person's
                profile back from partners in the same transaction.
        """
        self._context = context
        self._mail = mail
        self._profiles = profiles
        self._import = MemberImport(context, mail, profiles)

    # Reading

    async def list_organisations(self) -> list[Organisation]:
        """All organisations by name."""
        async with self._context.database.read() as tx:
            return await rows.list_organisations(tx)

    async def list_persons(self, *, organisation_id: str | None = None) -> list[Person]:
        """All persons by organisation and name, also those who have left."""
        async with self._context.database.read() as tx:
            return await rows.list_persons(tx, organisation_id=organisation_id)

    async def organisation(self, reference: str) -> Organisation:
        """Load an organisation by id, external id or name.

        Raises:
            NotFoundError: There is none, or the name is not unique.
        """
        async with self._context.database.read() as tx:
            found = await rows.find_organisation(tx, reference)
        if found is None:
            raise _no_organisation(reference)
        return found

    async def person(self, person_id: str) -> Person:
        """Load a person by id.

        Raises:
            NotFoundError: There is none.
        """
        async with self._context.database.read() as tx:
            return await self._load(tx, person_id)

    async def person_by_email(self, email: str) -> Person:
        """Load a person by mail address.

        Raises:
            NotFoundError: There is none.
        """
        async with self._context.database.read() as tx:
            found = await rows.find_person_by_email(tx, email)
        if found is None:
            raise NotFoundError(
                Sentence("No member has the e-mail {email}.", email=email),
                code="person-not-found",
                hint="See the list of members.",
            )
        return found

    async def office_person(self) -> Person:
        """Load who acts for the office when nobody is named.

        Raises:
            NotFoundError: The node has nobody in the office.
        """
        async with self._context.database.read() as tx:
            found = await rows.office_persons(tx)
        if not found:
            raise NotFoundError(
                Sentence("Nobody acts for the office of this node."),
                code="no-office",
                hint="Add a person with the role office.",
            )
        return found[0]

    async def office_persons(self, tx: Transaction) -> Sequence[Person]:
        """Load the persons of the office who have not left."""
        return await rows.office_persons(tx)

    async def known_of_person(self, tx: Transaction, email: str) -> dict[str, Any]:
        """Return what the directory can fill of an expert profile."""
        person = await rows.find_person_by_email(tx, email)
        if person is None:
            return {}
        known: dict[str, Any] = {"name": person.name}
        if person.function and len(person.function) <= _LABEL_CHARACTERS_MAX:
            known["function"] = {person.language: person.function}
        return known

    async def known_of_organisation(
        self, tx: Transaction, reference: str
    ) -> dict[str, Any]:
        """Return what the directory can fill of an organisation's profile."""
        found = await rows.find_organisation(tx, reference)
        if found is None:
            return {}
        known = {
            "legal_name": found.name,
            "website": found.website,
            "size_class": found.size_class,
            "org_type": found.org_type,
        }
        return {field: value for field, value in known.items() if value}

    # Changing

    async def add_person(
        self,
        actor: Person | None,
        *,
        email: str,
        name: str,
        organisation: str,
        role: Role | str = Role.PERSON,
        language: str = "",
        send_invitation: bool = True,
    ) -> tuple[Person, str]:
        """Add a person, and the organisation if its name is new.

        Args:
            actor: Who adds; None for the node itself.
            email: Address, unique among members.
            name: First and last name.
            organisation: Id, external id or name of the organisation.
            role: The person's role.
            language: `de` or `en`; empty for the node's.
            send_invitation: Mail the link; otherwise the caller hands it over.

        Returns:
            The person and the link with which to choose a password.

        Raises:
            InvalidInputError: With every fault.
            NotAuthorisedError: The actor may not add this person.
            ConflictError: The address belongs to a member already.
        """
        email, name, chosen, language = self._checked(
            email=email, name=name, role=role, language=language
        )

        async def work(tx: Transaction) -> tuple[Person, str]:
            now = self._context.clock.now()
            home = await self._organisation_for(tx, actor, organisation, role=chosen)
            if await rows.find_person_by_email(tx, email) is not None:
                raise ConflictError(
                    Sentence("{email} belongs to a member already.", email=email),
                    code="email-taken",
                    path="email",
                    hint="See the list of members.",
                )
            person = Person(
                id=random_id(self._context.random),
                organisation_id=home.id,
                organisation_name=home.name,
                email=email,
                name=name,
                role=chosen,
                language=language,
            )
            await rows.insert_person(tx, person, now=now)
            self._note(
                tx, "person_added", person, actor, after={"role": person.role.value}
            )
            link = await issue_first_password(
                tx, self._context, self._mail, person, by_mail=send_invitation
            )
            return person, link

        return await self._context.database.write(work)

    async def first_password_link(
        self, tx: Transaction, person: Person, *, by_mail: bool = False
    ) -> str:
        """Make a new first-password link in the caller's transaction."""
        return await issue_first_password(
            tx, self._context, self._mail, person, by_mail=by_mail
        )

    async def invite(self, actor: Person | None, person_id: str) -> str:
        """Mail a person a new link to choose a password; return its address.

        Raises:
            NotAuthorisedError: The actor may not manage this person.
            NotFoundError: There is no such person.
        """

        async def work(tx: Transaction) -> str:
            person = await self._manageable(tx, actor, person_id)
            return await self.first_password_link(tx, person, by_mail=True)

        return await self._context.database.write(work)

    async def change_role(
        self, actor: Person | None, person_id: str, role: Role
    ) -> Person:
        """Give a person another role.

        Raises:
            NotAuthorisedError: Either role is above the actor's own.
            ConflictError: The last node administrator would be gone.
        """

        async def work(tx: Transaction) -> Person:
            person = await self._manageable(tx, actor, person_id)
            require_manage(actor, organisation_id=person.organisation_id, role=role)
            if role is not Role.NODE_ADMIN:
                await self._keep_an_admin(tx, person)
            self._note(
                tx,
                "role_changed",
                person,
                actor,
                before={"role": person.role.value},
                after={"role": role.value},
            )
            return await self._update(tx, person, {"role": role.value})

        return await self._context.database.write(work)

    async def set_consent(
        self,
        actor: Person | None,
        person_id: str,
        *,
        on: date | None,
        source: str | None,
    ) -> Person:
        """Record that a person agreed to be shown to partners, or no longer does.

        Everybody may do this for themselves; the person's profiles follow in the
        same transaction.

        Args:
            actor: Who records it.
            person_id: Whose consent.
            on: The day; None if it is withdrawn.
            source: Where it is written down; None if it is withdrawn.

        Raises:
            InvalidInputError: Day without source or the other way round, or a day
                in the future.
        """
        if (on is None) != (not source) or (
            on is not None and on > self._context.clock.now().date()
        ):
            sentence = Sentence("A consent needs a past day and its source.")
            raise InvalidInputError(sentence, faults=[InputFault("consent", sentence)])

        async def work(tx: Transaction) -> Person:
            if actor is not None and actor.id == person_id:
                person = await self._load(tx, person_id)
            else:
                person = await self._manageable(tx, actor, person_id)
            event = "consent_withdrawn" if on is None else "consent_given"
            self._note(
                tx,
                event,
                person,
                actor,
                before=_consent(person.consent_on, person.consent_source),
                after=_consent(on, source),
            )
            values = {"consent_on": on, "consent_source": source}
            changed = await self._update(tx, person, values)
            await self._profiles.refresh_person(tx, person_id)
            return changed

        return await self._context.database.write(work)

    async def mark_left(self, actor: Person | None, person_id: str) -> Person:
        """Note that a person no longer belongs.

        Sessions end, links and waiting mails are void, and the consent ends with
        the membership, so that the person's profile is taken back everywhere.

        Raises:
            NotAuthorisedError: The actor may not manage this person.
            ConflictError: The last node administrator would be gone.
        """

        async def work(tx: Transaction) -> Person:
            person = await self._manageable(tx, actor, person_id)
            await self._keep_an_admin(tx, person)
            now = self._context.clock.now()
            self._note(tx, "person_left", person, actor)
            gone = await self._update(
                tx,
                person,
                {
                    "left_at": now,
                    "consent_on": None,
                    "consent_source": None,
                    "password_hash": None,
                },
            )
            await delete_sessions_of(tx, person_id)
            await drop_links(tx, person_id)
            await cancel_mails_for_person(tx, person_id, now=now)
            await self._profiles.refresh_person(tx, person_id)
            return gone

        return await self._context.database.write(work)

    # Files

    async def import_members(
        self,
        actor: Person | None,
        file_bytes: bytes,
        *,
        dry_run: bool = False,
        invite: bool = False,
    ) -> ImportReport:
        """Import a list of organisations or of persons; the header says which.

        Rows with faults are left out and reported; the others are stored in one
        transaction. A dry run gives the same report and stores nothing.

        Args:
            actor: Who imports: the office, or None for the node itself.
            file_bytes: The CSV file.
            dry_run: Only tell what would happen.
            invite: Mail every new person the link to choose a password.

        Raises:
            InvalidInputError: The file as a whole cannot be used: encoding,
                missing column, one key in two rows.
            NotAuthorisedError: The actor does not act for the office.
        """
        require_office(actor)
        file = read_member_file(file_bytes)
        if dry_run:
            async with self._context.database.read() as tx:
                planned = await self._import.plan(tx, actor, file)
            return report_of(file, planned, dry_run=True)

        async def work(tx: Transaction) -> ImportReport:
            planned = await self._import.plan(tx, actor, file)
            links = await self._import.apply(tx, planned, invite=invite)
            report = report_of(file, planned, dry_run=False, links=links)
            note_decision(
                tx,
                self._context,
                "members_imported",
                actor=actor,
                after={"added": report.added, "changed": report.changed},
            )
            return report

        return await self._context.database.write(work)

    # Inside

    def _checked(
        self, *, email: str, name: str, role: Role | str, language: str
    ) -> tuple[str, str, Role, str]:
        faults = []
        try:
            email = read_email(email)
        except FieldError as error:
            faults.append(InputFault("email", error.sentence))
        try:
            name = read_line(name, limit=_NAME_CHARACTERS_MAX)
            if not name:
                faults.append(InputFault("name", Sentence("The name is empty.")))
        except FieldError as error:
            faults.append(InputFault("name", error.sentence))
        if role not in set(Role):
            words = ", ".join(Role)
            faults.append(
                InputFault(
                    "role", Sentence("The role must be one of: {words}.", words=words)
                )
            )
        language = language or self._context.config.default_language
        if language not in _LANGUAGES:
            faults.append(
                InputFault("language", Sentence("The language must be de or en."))
            )
        if faults:
            raise InvalidInputError(
                Sentence("This person cannot be added."), faults=faults
            )
        return email, name, Role(role), language

    async def _organisation_for(
        self, tx: Transaction, actor: Person | None, reference: str, *, role: Role
    ) -> Organisation:
        found = await rows.find_organisation(tx, reference)
        if found is not None:
            require_manage(actor, organisation_id=found.id, role=role)
            return found
        require_office(actor)
        try:
            name = read_line(reference, limit=_NAME_CHARACTERS_MAX)
        except FieldError as error:
            raise InvalidInputError(
                error.sentence, faults=[InputFault("organisation", error.sentence)]
            ) from error
        if not name:
            sentence = Sentence("The organisation is missing.")
            raise InvalidInputError(
                sentence, faults=[InputFault("organisation", sentence)]
            )
        require_manage(actor, organisation_id="", role=role)
        organisation = Organisation(id=random_id(self._context.random), name=name)
        await rows.insert_organisation(tx, organisation, now=self._context.clock.now())
        return organisation

    async def _load(self, tx: Transaction, person_id: str) -> Person:
        person = await rows.load_person(tx, person_id)
        if person is None:
            raise NotFoundError(
                Sentence("There is no such person."), code="person-not-found"
            )
        return person

    async def _manageable(
        self, tx: Transaction, actor: Person | None, person_id: str
    ) -> Person:
        person = await self._load(tx, person_id)
        require_manage(actor, organisation_id=person.organisation_id, role=person.role)
        if person.left_at is not None:
            raise ConflictError(
                Sentence("{name} has left.", name=person.name), code="person-left"
            )
        return person

    def _note(
        self,
        tx: Transaction,
        event: str,
        person: Person,
        actor: Person | None,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        note_decision(
            tx,
            self._context,
            event,
            actor=actor,
            about=(SubjectKind.PERSON, person.id),
            before=before,
            after=after,
        )

    async def _update(
        self, tx: Transaction, person: Person, values: dict[str, Any]
    ) -> Person:
        await rows.update_person(tx, person.id, values, now=self._context.clock.now())
        return await self._load(tx, person.id)

    async def _keep_an_admin(self, tx: Transaction, person: Person) -> None:
        if person.role is not Role.NODE_ADMIN:
            return
        admins = await rows.list_persons(
            tx, roles=frozenset({Role.NODE_ADMIN}), with_left=False
        )
        if len(admins) <= 1:
            raise ConflictError(
                Sentence("{name} is the last node administrator.", name=person.name),
                code="last-admin",
                hint="Give the role to somebody else first.",
            )


def _consent(on: date | None, source: str | None) -> dict[str, str | None]:
    return {"on": None if on is None else on.isoformat(), "source": source}


def _no_organisation(reference: str) -> NotFoundError:
    return NotFoundError(
        Sentence("There is no organisation {name}.", name=reference),
        code="organisation-not-found",
        hint="See the list of members.",
    )
