//! What is read of a device beside the standard tables, and why: a part of `selvedge poll --explain`.

use serde::Serialize;

use crate::collect::snmp::look::Survey;

/// The profile that was taken.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// Its name; none where the standard tables are all that is read.
    name: Option<String>,
    description: String,
    /// `built in`, or the file.
    origin: String,
    /// Why this one.
    why: String,
    objects: Vec<ObjectTold>,
}

/// One object of it.
#[derive(Debug, Serialize)]
struct ObjectTold {
    object: String,
    oid: String,
    index: String,
    /// What it counts.
    counter: &'static str,
    /// The device has it.
    present: bool,
}

impl Told {
    pub(super) fn of(survey: &Survey) -> Self {
        let Some(reader) = survey.vendor() else {
            let id = &survey.facts.sys_object_id;
            let id = if id.is_empty() { "it gives no sysObjectID" } else { id };
            return Self {
                name: None,
                description: "IF-MIB and EtherLike-MIB alone".into(),
                origin: String::new(),
                why: format!("no profile fits ({id})"),
                objects: Vec::new(),
            };
        };
        let profile = reader.profile();
        let told = |(object, present): (&crate::mib::profile::Object, bool)| ObjectTold {
            object: object.name.clone(),
            oid: object.oid.to_string(),
            index: object.index.to_string(),
            counter: object.counter.as_str(),
            present,
        };
        Self {
            name: Some(profile.name.clone()),
            description: profile.description.clone(),
            origin: profile.origin.to_string(),
            why: reader.why().to_owned(),
            objects: reader.objects().map(told).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let bold = anstyle::Style::new().bold();
        let Some(name) = &self.name else {
            return format!("\n{bold}Profile{bold:#}: none, {}: {}\n", self.description, self.why);
        };
        let mut text = format!(
            "\n{bold}Profile{bold:#}: {name} ({}), {}\n  because {}\n",
            self.origin, self.description, self.why
        );
        for object in &self.objects {
            let has = if object.present { "read" } else { "the device has none" };
            text += &format!("  {} by {} for {}: {has}\n", object.object, object.index, object.counter);
        }
        text
    }
}
