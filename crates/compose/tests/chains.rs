//! Chains behave as LangChain's do: the cases of the golden file that have a counterpart here, and the laws of runnables.

mod support;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use lyceum_compose::RetryPolicy;
use lyceum_compose::chain::*;
use lyceum_core::{
    Context, Error, ErrorKind, Map, Message, Result, Role, Runnable, Signature, Value, ValueStream, laws,
};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn golden(case: &str) -> Json {
    support::golden_of("lcel", case)
}

fn value(json: Json) -> Value {
    Value::from_json(json)
}

type Step = Arc<dyn Runnable>;

fn number(f: impl Fn(i64) -> Result<i64> + Send + Sync + Copy + 'static) -> Step {
    Arc::new(Lambda::new("f", move |v: Value, _| async move { Ok(Value::Int(f(v.as_i64().unwrap_or(0))?)) }))
}

fn plus(n: i64) -> Step {
    number(move |x| Ok(x + n))
}

fn times(n: i64) -> Step {
    number(move |x| Ok(x * n))
}

fn expr(text: &str) -> Step {
    Arc::new(Expression::new(text).unwrap())
}

/// Says its words one by one, whatever it is asked.
struct Says(Vec<&'static str>);

#[async_trait::async_trait]
impl Runnable for Says {
    fn name(&self) -> &str {
        "says"
    }
    fn signature(&self) -> Signature {
        Signature::any()
    }
    async fn invoke(&self, _: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        Ok(self.0.concat().into())
    }
    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        let words = stream::iter(self.0.iter().map(|w| Ok(Value::from(*w))));
        let begin = async move { lyceum_core::gather(input).await.and_then(|_| cx.check()) };
        stream::once(begin).map_ok(move |()| words.clone()).try_flatten().boxed()
    }
}

async fn ask(r: &dyn Runnable, input: Json) -> Json {
    r.invoke(value(input), &Context::new()).await.unwrap().to_json()
}

async fn chunks(r: &dyn Runnable, input: Json) -> Vec<Json> {
    let cx = Context::new();
    let input = stream::iter([Ok(value(input))]).boxed();
    r.transform(input, &cx).map_ok(|v| v.to_json()).try_collect().await.unwrap()
}

#[tokio::test]
async fn sequences_parallels_assignments() {
    assert_eq!(ask(&pipe(plus(1), times(2)), json!(3)).await, golden("pipe")["out"]);
    let both = Parallel::new([("a", plus(1)), ("b", times(2))]);
    assert_eq!(ask(&both, json!(3)).await, golden("parallel")["out"]);
    let assign = Assign::new([("s", expr("x + 1")), ("t", expr("x * 2"))]);
    assert_eq!(ask(&assign, json!({"x": 1})).await, golden("assign")["out"]);
    let e = assign.invoke(value(json!(1)), &Context::new()).await.unwrap_err();
    assert_eq!(json!(e.message()), golden("assign")["non_dict"]["message"]);
    let case = golden("pick");
    assert_eq!(ask(&Pick::One("a".into()), json!({"a": 1, "b": 2, "c": 3})).await, case["one"]);
    assert_eq!(
        ask(&Pick::Many(vec!["a".into(), "b".into()]), json!({"a": 1, "b": 2, "c": 3})).await,
        case["many"]
    );
    assert_eq!(ask(&Each(plus(1)), json!([1, 2, 3])).await, golden("each")["out"]);
    assert_eq!(ask(&Each(plus(1)), json!([])).await, golden("each")["empty"]);
}

#[tokio::test]
async fn branches_by_the_first_true_condition() {
    let branch =
        Branch::new([(expr("input > 10"), expr("'big'")), (expr("input < 0"), expr("'neg'"))], expr("'mid'"));
    for (input, want) in [11, -1, 5].into_iter().zip(golden("branch")["out"].as_array().unwrap()) {
        assert_eq!(ask(&branch, json!(input)).await, *want);
    }
    laws::runnable(&branch, &[Value::Int(11), Value::Int(3)]).await.unwrap();
}

#[tokio::test]
async fn retries_and_fallbacks() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let third = Lambda::new("third", move |v: Value, _| {
        let n = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move { if n < 3 { Err(Error::new(ErrorKind::Unavailable, "not yet")) } else { Ok(v) } }
    });
    let policy = RetryPolicy { initial_interval: Duration::from_millis(1), ..RetryPolicy::default() };
    let retry = Retry::new(Arc::new(third), policy.clone());
    assert_eq!(ask(&retry, golden("with_retry")["out"].clone()).await, golden("with_retry")["out"]);
    assert_eq!(json!(calls.load(Ordering::Relaxed)), golden("with_retry")["calls"]);

    let fails = |message: &'static str| number(move |_| Err(Error::invalid(message)));
    let case = golden("with_fallbacks");
    assert_eq!(ask(&Fallbacks::new(fails("bad"), [plus(1)]), json!(1)).await, case["out"]);
    let all = Fallbacks::new(fails("bad"), [fails("worse")]);
    let e = all.invoke(Value::Int(1), &Context::new()).await.unwrap_err();
    assert_eq!(json!(e.message()), case["all_fail"]["message"]);
    let told = Fallbacks::new(fails("bad"), [expr("why")]).with_error_key("why");
    assert_eq!(ask(&told, json!({"x": 1})).await, "bad");
    assert_eq!(
        chunks(&Fallbacks::new(fails("bad"), [Arc::new(Says(vec!["a", "b"])) as Step]), json!(1)).await,
        ["a", "b"]
    );

    // Of a batch only what failed is tried again, and what fails for good stays in its place.
    let odd = number(|x| if x % 2 == 0 { Ok(x) } else { Err(Error::invalid("odd")) });
    let done = Retry::new(odd, policy).batch((0..4).map(Value::Int).collect(), &Context::new()).await;
    let kinds: Vec<bool> = done.iter().map(Result::is_ok).collect();
    assert_eq!(kinds, [true, false, true, false]);
    let sequence = pipe(number(|x| if x == 1 { Err(Error::invalid("one")) } else { Ok(x) }), plus(1));
    let done = sequence.batch((0..3).map(Value::Int).collect(), &Context::new()).await;
    assert_eq!(done[0].as_ref().ok(), Some(&Value::Int(1)));
    assert!(done[1].is_err() && done[2].is_ok());
}

#[tokio::test]
async fn tokens_pass_through_what_can_stream() {
    let words = || Arc::new(Says(vec!["a", " ", "b", " ", "c"])) as Step;
    assert_eq!(
        json!(chunks(&pipe(words(), Arc::new(TextParser)), json!("x")).await),
        golden("stream_str")["out"]
    );
    let ab = || Arc::new(Says(vec!["a", " ", "b"])) as Step;
    let blocked = pipe(ab(), expr("input ~ '!'"));
    assert_eq!(json!(chunks(&blocked, json!("x")).await), golden("lambda_blocks_stream")["out"]);
    let assign = Assign::new([("said", words())]);
    let got = chunks(&assign, json!({"q": 1, "said": "old"})).await;
    assert_eq!(got[0], json!({"q": 1}));
    assert_eq!(got.len(), 6);
    laws::runnable(&assign, &[value(json!({"q": 1, "said": "old"}))]).await.unwrap();
    laws::runnable(&pipe(words(), Arc::new(TextParser)), &["x".into()]).await.unwrap();
    laws::runnable(&Parallel::new([("a", words()), ("b", ab())]), &["x".into()]).await.unwrap();
}

#[tokio::test]
async fn json_grows_while_it_streams() {
    let text = ["{\"a\": 1, ", "\"b\": [1", ", 2], ", "\"c\": \"x", " y\"}"];
    let input = stream::iter(text.map(|t| Ok(Value::from(t)))).boxed();
    let parser = JsonParser;
    let got: Vec<Json> = parser.growing(input).map_ok(|v| v.to_json()).try_collect().await.unwrap();
    let want = golden("stream_json_partial")["out"].as_array().unwrap().clone();
    assert!(got.iter().all(|g| want.contains(g)), "{got:?}");
    assert_eq!(got.last(), want.last());
    assert_eq!(ask(&JsonParser, json!("```json\n{\"a\": 1}\n```")).await, golden("json_fenced")["out"]);
    let e = JsonParser.invoke("nope".into(), &Context::new()).await.unwrap_err();
    assert_eq!(json!(e.message()), golden("json_bad")["message"]);
}

#[tokio::test]
async fn prompts_fill_their_holes_or_say_which_are_missing() {
    let f = |text: &str| Template::new(text, Syntax::FString).unwrap();
    let chat = ChatPrompt::new([PromptPart::Says(Role::User, f("{q}{r}"))]);
    let e = chat.invoke(value(json!({"q": 1})), &Context::new()).await.unwrap_err();
    let want = golden("prompt_missing_var")["message"].as_str().unwrap().trim_matches('"').to_string();
    assert!(want.starts_with(e.message()), "{e}\n{want}");
    let partial = TextPrompt::new(f("{a}-{b}")).with(Map::from_iter([("a".into(), "x".into())]));
    assert_eq!(ask(&partial, json!({"b": "y"})).await, golden("prompt_partial")["out"]);
    assert_eq!(
        ask(&partial, json!("y")).await,
        golden("prompt_partial")["out"],
        "one hole takes the value itself"
    );
    assert_eq!(
        ask(&TextPrompt::new(f("{{\"k\": {v}}}")), json!({"v": 1})).await,
        golden("prompt_escape")["out"]
    );
    let with = ChatPrompt::new([
        PromptPart::Message(Message::system("s")),
        PromptPart::Placeholder { key: "old".into(), optional: true },
        PromptPart::Says(Role::User, Template::new("{{ q | lower }}", Syntax::Jinja).unwrap()),
    ]);
    let got = ask(&with, json!({"q": "W", "old": [{"role": "user", "content": "o"}]})).await;
    let said: Vec<&str> = got.as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["s", "o", "w"]);
    assert_eq!(ask(&with, json!({"q": "W"})).await.as_array().unwrap().len(), 2);
    laws::runnable(&with, &[value(json!({"q": "W"}))]).await.unwrap();
    for bad in ["{", "a}", "{x!r}", "{}"] {
        assert!(Template::new(bad, Syntax::FString).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn expressions_end_and_say_what_is_wrong() {
    assert_eq!(ask(&*expr("a + input.b"), json!({"a": 1, "b": 2})).await, json!(3));
    let e = Expression::new("a +").map(drop).unwrap_err();
    assert!(e.message().starts_with("expression `a +`:"), "{e}");
    let endless = Template::new(
        "{% for i in range(100000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
        Syntax::Jinja,
    );
    assert!(endless.unwrap().render(&Map::new()).is_err(), "a template ends");
}
