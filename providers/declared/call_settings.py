"""`[providers.NAME.auth]`, `.call` and `.bulk_call`: what a declared provider sends."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, HttpUrl, model_validator

from providers.declared.template import VALUES, JsonTemplate, Template
from providers.declared.vocabulary import JsonSetting, Table, TemplateSetting


class AuthTable(Table):
    """How a call says whose it is."""

    type: Literal["query", "header", "body", "basic", "bearer", "oauth2"] = Field(
        description=(
            "`query`, `header`, `body` (`json` or `form`): the `api_key` under `name`; `basic`:"
            " `api_key` and, if there is one, `api_secret`; `bearer`: `api_key`; `oauth2`: a token"
            " for `client_id` and `client_secret`."
        )
    )
    name: str | None = Field(
        default=None, description="Of the parameter, the header, or the member of the body."
    )
    prefix: str = Field(default="", description="Before the key in its header, `Token token=`.")
    optional: bool = Field(default=False, description="Whether the service answers without a key.")
    token_url: HttpUrl | None = Field(default=None, description="Where OAuth2 tokens are fetched.")
    scope: str | None = Field(default=None, description="Of the OAuth2 token.")
    credentials: Literal["form", "basic"] = Field(
        default="form", description="Where the token call holds id and secret (RFC 6749, 2.3.1)."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type in {"query", "header", "body"} and not self.name:
            what = {"header": "header", "body": "member of the body"}.get(self.type, "parameter")
            raise ValueError(f"auth by {self.type} needs `name`: that of the {what}")
        if self.type == "oauth2" and self.token_url is None:
            raise ValueError("auth by oauth2 needs `token_url`: where tokens are fetched")
        return self


class CallTable(Table):
    """One HTTP request."""

    method: Literal["GET", "POST"] = Field(default="GET", description="HTTP method.")
    path: TemplateSetting = Field(
        default_factory=lambda: Template("/"),
        description="Below `base_url`, such as `/check/{value}`; else `/`.",
    )
    query: Mapping[str, TemplateSetting] = Field(
        default_factory=dict[str, Template], description="Parameters of the query."
    )
    headers: Mapping[str, TemplateSetting] = Field(
        default_factory=dict[str, Template], description="Headers."
    )
    json_body: JsonSetting | None = Field(
        default=None, alias="json", description="The body, as JSON."
    )
    form: Mapping[str, TemplateSetting] | None = Field(
        default=None, description="The body, as a form."
    )
    safe_to_repeat: bool = Field(
        default=False, description="Whether sending it twice neither changes nor costs anything."
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_body is not None and self.form is not None:
            raise ValueError("a call has one body: `json` or `form`")
        if self.method == "GET" and (self.json_body is not None or self.form is not None):
            raise ValueError('a GET has no body; set method = "POST"')
        text = self.path.text
        if not text.startswith("/") or not text.isascii() or set(text) & set("?# \\"):
            raise ValueError(
                "the path begins with /, is ASCII, and has no ? or #; parameters go into `query`"
            )
        return self

    def takes(self, member: str) -> bool:
        """Return whether its body can hold one more `member`: a form, or JSON that is a table."""
        if self.json_body is None:
            return self.form is not None and member not in self.form
        shape = self.json_body.shape
        return isinstance(shape, dict) and member not in shape

    @property
    def names(self) -> frozenset[str]:
        """The parts that all its templates name."""
        named = (self.path, *self.query.values(), *self.headers.values())
        body = () if self.json_body is None else (self.json_body,)
        return _named(*named, *(self.form or {}).values(), *body)


class BulkCallTable(CallTable):
    """One HTTP request with many values, where `{values}` stands."""

    each: JsonSetting = Field(
        default_factory=lambda: JsonTemplate("{value}"),
        description="What stands in `{values}` for each value: a text or a table; else `{value}`.",
    )
    join: str | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="Makes `{values}` one text, with this between values.",
    )

    @model_validator(mode="after")
    def _holds_values(self) -> Self:
        if VALUES not in self.names:
            raise ValueError("a bulk call has {values} somewhere: where all values stand")
        if self.join is None and (self.json_body is None or VALUES not in self.json_body.names):
            raise ValueError("{values} is a list in `json`; elsewhere `join` makes it one text")
        if self.names != frozenset({VALUES}):
            raise ValueError("a bulk call holds {values} alone; parts of a value stand in `each`")
        return self


def _named(*templates: Template | JsonTemplate) -> frozenset[str]:
    return frozenset[str]().union(*(one.names for one in templates))
