"""The pages of one tenant, and what another tenant sees of them."""


def test_a_note_is_shown(tenant_client):
    """A visitor reads what was written."""
    assert "No notes yet." in tenant_client.get("/").text
    answer = tenant_client.post("/notes", data={"text": "Pears"}, follow_redirects=True)
    assert "Pears" in answer.text


def test_an_empty_note_is_not_kept(tenant_client):
    """Spaces are no note."""
    answer = tenant_client.post("/notes", data={"text": "  "}, follow_redirects=True)
    assert "No notes yet." in answer.text


def test_tenants_are_isolated(tenant_client, other_client, assert_isolated):
    """No cookie and no text of one tenant is worth anything at another."""
    tenant_client.post("/notes", data={"text": "Pears"})
    assert_isolated(tenant_client, other_client, "Pears")


def test_the_whole_platform(platform, tenant):
    """The site answers behind the front door, and a suspended one does not."""
    assert "Acme" in platform.client(tenant).get("/").text
    platform.operations.suspend("acme")
    assert platform.client(tenant).get("/").status_code == 403
