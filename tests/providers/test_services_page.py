from tests.providers.services_page import PAGE, filled


def test_the_page_says_what_the_services_do() -> None:
    """To renew it: `python -m tests.providers.services_page`."""
    page = PAGE.read_text()
    assert page == filled(page)
