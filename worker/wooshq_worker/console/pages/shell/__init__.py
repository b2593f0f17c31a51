"""
What all pages of the console share: how a page is declared, who is logged in, what every answer has, templates, assets, the live stream.

A page is one Python module in `pages/` with its view, one template in `pages/templates/`, and one line in `pages/__init__.py`:

    async def view(visit: Visit) -> Shown:
        limits = await visit.shared("limits", visit.client.limits.list)          # read once a second, however many look
        return Shown({"limits": limits}, command="wooshq limits", curl=visit.curl("GET", "/v1/limits"))

    async def unset(visit: Visit, form: Form) -> Done:
        await visit.client.limits.unset(form["limit"], form["application"], why=form.get("why"), by=visit.by)
        return Done("/settings", "The limit of the environment counts again.")

    page = Page("settings", "/settings", "Settings", view, "settings.html", letter="s", live=("limits",), acts=(Act("unset", unset),))

- `Shown(context)`: what the template gets, beside `page`, `visit`, `shell` and `ui` (the macros of `templates/shell/ui.html`).
- `live`: names of Jinja blocks of the template. Each is around what changes, in an element that says so:
  `<section {{ live("limits") }}>{% block limits %}…{% endblock %}</section>`. The server renders them anew at most once a second, and sends those that
  changed. `set` and `import` outside of the block do not count inside of it.
- A list is a `<table class="cards">` whose rows are `<tr data-row>`; `j` and `k` find them, and each `td` has its column's name in `data-label`. In a live
  list, give the row an `id` that is made of what it shows, or use `ui.id(…, href=…)`, `ui.act` or `ui.danger` in it: then focus and open forms stay with their row.
- `Act("unset", unset)`: a form that POSTs to `{{ page.act("unset") }}`, which is `/settings/unset`; of a page with parameters in its path,
  `{{ page.act("cancel", id=…) }}`. Who does not have the scope gets 403, and `{% if visit.may("operate") %}` shows no button.
- An error is raised as anywhere in the Python API (`ValueError`, `LedgerUnavailable`, …): the shell makes a page of it.
- A page whose `letter` is None, or whose `parent` is another page, is not in the navigation.
"""
