"""Password logins switched off on real machines: nobody is locked out, whatever somebody else wrote, or who dies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.base.secret import Secret
from fleet.machine import keys
from fleet.machine.guard import Guard
from fleet.machine.harden import harden, takes_passwords
from fleet.machine.hostkey import parse
from fleet.machine.login import KeyLogin, PasswordLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from fleet.site import Site, held
from tests.rack.guard_bench import GUARD, TREE, places, until
from tests.rack.guard_bench import tree as guard_tree
from tests.rack.machine import Build, Machine, User

PASSWORD = "canary pw 9"
PEOPLE = User("booth", PASSWORD, sudo="nopasswd")
CLOUD = {"/etc/ssh/sshd_config.d/50-cloud-init.conf": (b"PasswordAuthentication yes\n", 0o600)}
LOOK = "cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; find /etc/ssh -printf '%p %m %U %s\\n' | sort"


class Sshd:
    """One machine with the guard on it, its sshd as a person left it, and our key for root and for booth."""

    def __init__(self, machine: Machine, home: Path) -> None:
        self.machine = machine
        self.key = keys.ensure(home / "key", "rack")
        machine.sh(f"mkdir -p {TREE}")
        machine.run("tar", "-xf", "-", "-C", TREE, stdin=guard_tree())
        machine.sh(f"sh {TREE}/guard.sh install")
        for folder, user in (("/root", "root"), ("/home/booth", "booth")):
            machine.sh(f"mkdir -p {folder}/.ssh; cat >>{folder}/.ssh/authorized_keys <<E\n{self.key.public}\nE")
            machine.sh(f"chown -R {user}: {folder}/.ssh; chmod 700 {folder}/.ssh")
        machine.sh("cp -a /etc/ssh /root/ssh.before")

    def port(self, user: str = "root") -> SshPort:
        return SshPort("m1", self._target(user), KeyLogin(self.key), parse(self.machine.host_key()))

    def by_password(self, user: str) -> str:
        """What comes of a password login: nothing, or the error's key."""
        target, host_key = self._target(user), parse(self.machine.host_key())
        port = SshPort("m1", target, PasswordLogin(Secret(PASSWORD)), host_key)
        takes_passwords(port)  # where sshd has just read its files, nobody listens for a moment
        try:
            port.run(("true",))
        except ClawrackError as error:
            return error.key
        finally:
            port.close()
        return ""

    def _target(self, user: str) -> Target:
        return Target(self.machine.address, user=user)

    def written(self, path: str, text: str, *, read: bool = False) -> None:
        """Let somebody write a file of sshd's; sshd reads it where they said so."""
        self.machine.put(path, text.encode())
        if read:
            self.machine.sh("systemctl reload ssh")
            takes_passwords(self.port())

    def files(self) -> str:
        return self.machine.sh(LOOK).text

    def as_before(self) -> None:
        self.machine.sh("rm -rf /etc/ssh; cp -a /root/ssh.before /etc/ssh; systemctl reload ssh")
        takes_passwords(self.port())
        self.machine.sh("rm -f /var/lib/clawrack/harden /var/lib/clawrack/lease")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    build = Build(docker=True, root_password=PASSWORD, users=(PEOPLE,), files=CLOUD)
    with Machine(build) as machine:
        yield Sshd(machine, tmp_path_factory.mktemp("home"))


@pytest.fixture
def sshd(whole: Sshd) -> Iterator[Sshd]:
    yield whole
    whole.as_before()


@pytest.fixture
def site(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    port = sshd.port()
    with held(port, "rack") as site:
        yield site
    port.close()


def port_of(site: Site) -> SshPort:
    assert isinstance(site.port, SshPort)
    return site.port


def refused(site: Site) -> str:
    """The refusal's whole text; nothing was written."""
    with pytest.raises(Refused) as error:
        harden(site.guard, site.lease, port_of(site))
    assert site.guard.hardening().get("stage", "") == ""
    return str(error.value)


def test_passwords_are_refused_for_good_and_given_back_byte_for_byte(sshd: Sshd, site: Site) -> None:
    before, port = sshd.files(), port_of(site)
    assert (sshd.by_password("root"), sshd.by_password("booth")) == ("", "")  # 50-cloud-init.conf says yes
    done = harden(site.guard, site.lease, port)
    assert (done.changed, done.kept) == (True, ())
    assert not takes_passwords(port)
    assert (sshd.by_password("root"), sshd.by_password("booth")) == ("ssh.passwords_off",) * 2
    assert sshd.port("booth").run(("id", "-u"), root=True).out.strip() == b"0"
    assert site.guard.hardening()["stage"] == "on"
    assert sshd.machine.sh("sshd -T | grep -i '^allowtcpforwarding'").text.endswith("yes")  # agents are reached by it
    assert not harden(site.guard, site.lease, port).changed
    assert site.guard.soften(site.lease)
    until(lambda: takes_passwords(port), 5, "sshd reads its files")
    assert (sshd.by_password("root"), sshd.files()) == ("", before)
    assert not site.guard.soften(site.lease)


def test_a_controller_that_dies_before_it_has_proven_itself_leaves_a_machine_that_goes_back(
    sshd: Sshd, site: Site
) -> None:
    before, port = sshd.files(), port_of(site)
    way = port.run(("printenv", "SSH_CONNECTION")).out.decode().split()
    words = ("arm", "root", way[0], way[2], way[3], sshd.key.public.split()[1], "5")
    site.guard.harden(site.lease, *words)
    until(lambda: not takes_passwords(port), 5, "sshd reads its files")
    until(lambda: takes_passwords(port), 20, "it goes back by itself")
    assert sshd.files() == before
    with pytest.raises(Refused) as late:
        site.guard.harden(site.lease, "commit")
    assert "Its time was over" in str(late.value)


def test_a_guard_that_dies_anywhere_leaves_what_can_be_gone_on_with_and_taken_back(sshd: Sshd, site: Site) -> None:
    before, port = sshd.files(), port_of(site)
    way = port.run(("printenv", "SSH_CONNECTION")).out.decode().split()
    arm = ("harden", site.lease.word, "arm", "root", way[0], way[2], way[3], sshd.key.public.split()[1], "60")
    for place in places("harden-"):
        dying = ("env", f"CLAWRACK_FAILPOINT={place}", GUARD)
        for words in (arm, ("harden", site.lease.word, "commit"), ("soften", "now", site.lease.word)):
            if sshd.machine.run(*dying, *words, check=False).code in {137, -9}:
                break
        else:
            raise AssertionError(place)
        takes_passwords(sshd.port())  # where sshd has just read its files, nobody listens for a moment
        assert sshd.port().run(("true",)).code == 0, place  # nobody is ever locked out
        harden(site.guard, site.lease, port)
        assert not takes_passwords(port), place
        site.guard.soften(site.lease)
        assert sshd.files() == before, place


def test_a_new_connection_that_does_not_get_in_takes_it_back_at_once(sshd: Sshd, site: Site, tmp_path: Path) -> None:
    del tmp_path
    before = sshd.files()
    booth = sshd.port("booth")
    booth.run(("true",))  # it stays open; from now on nobody but root may log in
    sshd.machine.sh("touch /etc/nologin")
    try:
        with pytest.raises(ActionFailed) as error:
            harden(Guard(booth), site.lease, booth, 30)
    finally:
        sshd.machine.sh("rm -f /etc/nologin")
        booth.close()
    assert error.value.key == "harden.taken_back"
    assert sshd.files() == before
    until(lambda: sshd.by_password("booth") == "", 5, "sshd reads its files")


NOT_READ_YET = (
    ("AllowUsers nobodyhere\n", "allowusers"),
    ("Match Address *\nAllowUsers nobodyhere\n", "allowusers"),
    ("DenyGroups root\n", "denygroups"),
    ("PermitRootLogin no\n", "permitrootlogin"),
    ("Port 2022\n", "port"),
    ("AuthorizedKeysFile /etc/ssh/keys/%u\n", "authorizedkeysfile"),
    ("PubkeyAuthentication no\n", "pubkeyauthentication"),
    ("AuthenticationMethods publickey,password\n", "authenticationmethods"),
)


def test_what_somebody_wrote_and_sshd_has_not_read_yet_is_not_woken(sshd: Sshd, site: Site) -> None:
    for text, why in NOT_READ_YET:
        sshd.written("/etc/ssh/sshd_config.d/05-theirs.conf", text)
        before = sshd.files()
        assert why in refused(site), text
        assert sshd.files() == before, text
    assert sshd.by_password("root") == ""  # sshd was told nothing


def test_a_locked_account_is_kept_out_by_sshd_itself_where_pam_is_off(sshd: Sshd, site: Site) -> None:
    sshd.machine.sh("usermod -L root")
    sshd.written("/etc/ssh/sshd_config.d/05-theirs.conf", "UsePAM no\n")
    try:
        assert "locked" in refused(site)
    finally:
        sshd.machine.sh("usermod -U root")


def test_a_match_of_somebodys_does_not_keep_a_password_login(sshd: Sshd, site: Site) -> None:
    text = "Match User booth\n    PasswordAuthentication yes\n    AllowUsers booth\n"
    sshd.written("/etc/ssh/sshd_config.d/60-theirs.conf", text, read=True)
    assert harden(site.guard, site.lease, port_of(site)).kept == ()
    assert sshd.by_password("booth") == "ssh.passwords_off"


def test_where_sshd_reads_no_drop_ins_our_lines_stand_at_the_top_of_its_own_file(sshd: Sshd, site: Site) -> None:
    theirs = "PasswordAuthentication yes\nPermitRootLogin yes\nUsePAM yes\nMaxAuthTries 2\nMatch User booth\n"
    sshd.written("/etc/ssh/sshd_config", f"# old\n{theirs}    PasswordAuthentication yes\n", read=True)
    before = sshd.files()
    done = harden(site.guard, site.lease, port_of(site))
    assert done.kept == ("booth",)  # a Match wins over what stands before it; that is said, not hidden
    assert (sshd.by_password("root"), sshd.by_password("booth")) == ("ssh.passwords_off", "")
    assert sshd.machine.sh("sshd -T -C user=root,host=x,addr=10.0.0.1 | grep maxauthtries").text == "maxauthtries 2"
    assert site.guard.soften(site.lease)
    assert sshd.files() == before


def test_a_socket_that_starts_sshd_for_each_connection_needs_no_reload(sshd: Sshd, site: Site) -> None:
    port = port_of(site)
    port.run(("true",))
    sshd.machine.sh("systemctl stop ssh.service; systemctl start ssh.socket")
    try:
        assert harden(site.guard, site.lease, port).changed
        assert sshd.by_password("root") == "ssh.passwords_off"
        assert site.guard.soften(site.lease)
        assert sshd.by_password("root") == ""
    finally:
        sshd.machine.sh("systemctl stop ssh.socket; systemctl start ssh.service")
        sshd.machine.wait_ready()


def test_a_nas_is_left_to_its_own_pages_and_says_where_to_click(sshd: Sshd, site: Site) -> None:
    sshd.machine.sh("mkdir -p /usr/syno")
    try:
        with pytest.raises(Refused) as error:
            harden(site.guard, site.lease, port_of(site))
    finally:
        sshd.machine.sh("rmdir /usr/syno")
    assert error.value.key == "harden.vendor"
    assert "Terminal & SNMP" in str(error.value)


def test_hostile_words_are_refused_before_sshd_is_asked(sshd: Sshd, site: Site) -> None:
    good = ("arm", "root", "10.0.0.1", "10.0.0.2", "22", "AAAA", "60")
    for place, bad in ((1, "a,addr=1"), (2, "10.0.0.1,user=x"), (3, "-T"), (4, "0"), (5, "A B"), (6, "1")):
        words = (*good[:place], bad, *good[place + 1 :])
        assert sshd.machine.run(GUARD, "harden", site.lease.word, *words, check=False).code == 2, words


def test_without_systemd_it_goes_back_by_itself_all_the_same(sshd: Sshd, site: Site) -> None:
    port = port_of(site)
    way = port.run(("printenv", "SSH_CONNECTION")).out.decode().split()
    words = ("arm", "root", way[0], way[2], way[3], sshd.key.public.split()[1], "5")
    hidden = "mount --make-rprivate /; mount -t tmpfs none /run/systemd; "
    line = " ".join((GUARD, "harden", site.lease.word, *words))
    sshd.machine.run("unshare", "-m", "sh", "-c", hidden + line)
    until(lambda: not takes_passwords(port), 5, "sshd reads its files")
    until(lambda: takes_passwords(port), 20, "it goes back by itself")


def test_uninstall_gives_password_logins_back(sshd: Sshd, site: Site) -> None:
    before, port = sshd.files(), port_of(site)
    assert harden(site.guard, site.lease, port).changed
    site.guard.uninstall("erase", site.lease)
    until(lambda: takes_passwords(port), 5, "sshd reads its files")
    assert sshd.files() == before
    assert sshd.by_password("booth") == ""
