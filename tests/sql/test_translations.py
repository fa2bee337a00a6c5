"""sql/queries/translations.sql: what was paid for once is not paid for again."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from madar.db import translations
from madar.domain.prompts import prompt_hash
from tests.sql.harness import Sql, Story
from tests.sql.register import holds

PROMPTS = ("قطة حمراء", "مدينة")
MODELS = ("google/gemini-2.5-flash", "other")
DAY, MONTH = timedelta(days=1), timedelta(days=30)
MICROSECOND = timedelta(microseconds=1)


class Translations(Story):
    """The model has, by prompt and translator, the words and how long ago they were used."""

    prompts = st.sampled_from(PROMPTS)
    models = st.sampled_from(MODELS)

    def __init__(self, sql: Sql) -> None:
        super().__init__(sql)
        self.model: dict[tuple[str, str], tuple[str, timedelta]] = {}

    @rule(prompt=prompts, model=models, english=st.sampled_from(("a red cat", "a town")))
    def keep(self, prompt: str, model: str, english: str) -> None:
        given = {"prompt": prompt, "model": model, "english": english}
        self.db.call(translations.keep_translation, **given)
        self.model[prompt, model] = (english, timedelta())

    @rule(prompt=prompts, model=models)
    def use(self, prompt: str, model: str) -> None:
        english, age = self.model.get((prompt, model), (None, timedelta()))

        assert self.db.call(translations.use_translation, prompt=prompt, model=model) == english
        if english and age > DAY:
            self.model[prompt, model] = (english, timedelta())

    @rule(by=st.sampled_from((DAY / 2, DAY, MONTH - DAY, MICROSECOND)))
    def wait(self, by: timedelta) -> None:
        self.db.pass_time(microseconds=by / MICROSECOND)
        self.model = {key: (english, age + by) for key, (english, age) in self.model.items()}

    @rule()
    def sweep(self) -> None:
        left = {key: one for key, one in self.model.items() if one[1] <= MONTH}

        gone = self.db.call(translations.delete_unused_translations)
        assert gone == len(self.model) - len(left)
        self.model = left

    @invariant()
    def all_are_kept(self) -> None:
        rows = self.db.rows("translations")
        found = {
            (bytes(row["prompt_hash"]), row["model"]): (
                row["english"],
                self.db.now - row["last_used_at"],
            )
            for row in rows
        }
        assert found == {
            (prompt_hash(prompt), model): one for (prompt, model), one in self.model.items()
        }


@holds(
    "translations.keep_translation",
    "translations.use_translation",
    "translations.delete_unused_translations",
)
def test_words_are_kept_while_they_are_used(sql: Sql) -> None:
    sql.check(Translations, share=2)
