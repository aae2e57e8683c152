"""Ranges of releases of the CNI plugin."""

import re

import attrs

_RELEASE = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})")


def _parts(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.removeprefix("v").split(".")))


@attrs.frozen
class Releases:
    """The releases from `since` on, and before `before`; an empty text is no bound.

    >>> str(Releases("v1.7.0", "v1.9.0")), str(Releases("v1.23.0")), str(Releases("", "v1.0.0")), str(Releases())
    ('from v1.7.0, before v1.9.0', 'from v1.23.0', 'before v1.0.0', 'any')
    """

    since: str = ""
    before: str = ""

    @classmethod
    def exactly(cls, text: str) -> "Releases":
        """Read the release in a text, such as the tag of an image; any release if there is none.

        >>> str(Releases.exactly("amazon-k8s-cni:v1.20.4-eksbuild.2")), str(Releases.exactly("latest"))
        ('v1.20.4', 'any')
        """
        found = _RELEASE.search(text)
        if found is None:
            return ANY_RELEASE
        major, minor, patch = map(int, found.groups())
        return cls(f"v{major}.{minor}.{patch}", f"v{major}.{minor}.{patch + 1}")

    def narrowed(self, since: str = "", before: str = "") -> "Releases":
        """Return the releases that are in both ranges."""
        latest = max((self.since, since), key=lambda each: _parts(each) if each else ())
        bounds = [each for each in (self.before, before) if each]
        return Releases(latest, min(bounds, key=_parts, default=""))

    @property
    def is_empty(self) -> bool:
        """Whether no release is in the range."""
        return bool(self.since and self.before) and _parts(self.since) >= _parts(self.before)

    def include(self, release: str) -> bool:
        """Tell whether a release is in the range."""
        return (not self.since or _parts(self.since) <= _parts(release)) and (not self.before or _parts(release) < _parts(self.before))

    def are_before(self, release: str) -> bool:
        """Tell whether each of them is before a release."""
        return bool(self.before) and _parts(self.before) <= _parts(release)

    def are_from(self, release: str) -> bool:
        """Tell whether each of them is a release or a later one."""
        return bool(self.since) and _parts(self.since) >= _parts(release)

    def __str__(self) -> str:
        if self.is_empty:
            return "none"
        if self.since and self.before and _parts(self.before) == (*_parts(self.since)[:2], _parts(self.since)[2] + 1):
            return self.since
        bounds = (f"from {self.since}" if self.since else "", f"before {self.before}" if self.before else "")
        return ", ".join(filter(None, bounds)) or "any"


ANY_RELEASE = Releases()
