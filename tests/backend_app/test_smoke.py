def test_smoke(world, operator, olga):
    for p in ["/", "/tenants", "/tenants/new", "/tenants/acme", "/accounts", "/audit", "/sites", "/account"]:
        r = operator.get(p)
        assert r.status_code == 200, (p, r.text[:2000])
    for p in ["/", "/settings", "/activity", "/sections/things"]:
        r = olga.get(p, "acme.example.test")
        assert r.status_code == 200, (p, r.text[:2000])
