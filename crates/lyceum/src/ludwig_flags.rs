//! Ludwig's flags of one dash and several letters (`-cs`, `-rs`) to their long forms, before the command line is
//! parsed; only for the verbs that Ludwig has.

use std::ffi::OsString;

const VERBS: &[&str] =
    &["train", "predict", "evaluate", "experiment", "hyperopt", "visualize", "init_config", "serve"];

const LONG: &[(&str, &str)] = &[
    ("-cs", "--config_str"),
    ("-rs", "--random_seed"),
    ("-od", "--output_directory"),
    ("-bs", "--batch_size"),
    ("-gc", "--generation_config"),
    ("-es", "--eval_split"),
    ("-mlp", "--model_load_path"),
    ("-mrp", "--model_resume_path"),
    ("-gml", "--gpu_memory_limit"),
    ("-dpt", "--disable_parallel_threads"),
    ("-ao", "--allowed_origins"),
    ("-sspi", "--skip_save_processed_input"),
    ("-sstd", "--skip_save_training_description"),
    ("-ssts", "--skip_save_training_statistics"),
    ("-ssm", "--skip_save_model"),
    ("-ssp", "--skip_save_progress"),
    ("-ssl", "--skip_save_log"),
    ("-ssuo", "--skip_save_unprocessed_output"),
    ("-sstp", "--skip_save_predictions"),
    ("-sses", "--skip_save_eval_stats"),
];

/// The arguments with Ludwig's short flags spelled out.
pub(crate) fn spelled_out(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let args: Vec<OsString> = args.into_iter().collect();
    let ludwig = args.iter().skip(1).find_map(|a| a.to_str().filter(|a| !a.starts_with('-')));
    if !ludwig.is_some_and(|verb| VERBS.contains(&verb)) {
        return args;
    }
    let long = |arg: OsString| match LONG.iter().find(|(short, _)| arg.to_str() == Some(short)) {
        Some((_, long)) => (*long).into(),
        None => arg,
    };
    args.into_iter().map(long).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ludwig_s_verbs_are_touched() {
        let run = |args: &[&str]| spelled_out(args.iter().map(OsString::from));
        assert_eq!(run(&["lyceum", "train", "-cs", "{}", "-rs", "7"])[2], "--config_str");
        assert_eq!(run(&["lyceum", "--json", "train", "-rs", "7"])[3], "--random_seed");
        assert_eq!(run(&["lyceum", "pull", "-rs"])[2], "-rs");
    }
}
