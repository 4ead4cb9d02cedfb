//! What the network is told of a render: prompts, embedded and padded to one length, areas with
//! prompts of their own, reference pictures and sizes.

use std::sync::Arc;

use super::embedding::TextEmbedding;
use super::forward::{Conditioning, Network};
use super::guidance::Guidance;
use super::start::{RenderInputs, Start};
use super::{Pipeline, PipelineError, RenderSettings};

impl Pipeline {
    /// What the network of a render is told for a picture of this width and height and, where it
    /// starts from an inverted photo, what it is told of the photo.
    ///
    /// # Errors
    /// When a prompt or a reference picture cannot be read or the device fails.
    pub(super) fn render_conditioning(
        &mut self,
        settings: &RenderSettings,
        inputs: &RenderInputs,
        size: (u32, u32),
    ) -> Result<(Conditioning, Option<Conditioning>), PipelineError> {
        match (inputs.network, &inputs.start) {
            (Network::Painting, Start::Noise | Start::Image(_)) => {
                Ok((self.conditioning(settings, size)?, None))
            }
            (Network::Painting, Start::Inverted { source_prompt, .. }) => {
                let [source, target] = self.paired_conditioning(source_prompt, settings, size)?;
                let source = Conditioning {
                    guidance: target.guidance.clone(),
                    guidance_scale: target.guidance_scale,
                    ..source
                };
                Ok((target, Some(source)))
            }
            (Network::Base, _) => {
                let prompt = self.text.embed_base(&self.model, &settings.prompt)?;
                Ok((unguided(prompt, settings, size), None))
            }
        }
    }

    /// What the painting UNet is told for a picture of this width and height: all prompts of one
    /// length.
    fn conditioning(
        &mut self,
        settings: &RenderSettings,
        size: (u32, u32),
    ) -> Result<Conditioning, PipelineError> {
        let (prompt, guidance) = self.embed_prompts(settings)?;
        let mut regions = Vec::with_capacity(settings.regions.len());
        for region in &settings.regions {
            let prompt = self.text.embed(&self.model, &region.prompt)?;
            let share = region.share.extended(size.0, size.1);
            regions.push((prompt, self.latent_mask(&share)?));
        }
        let mut references = Vec::with_capacity(settings.references.len());
        for reference in &settings.references {
            references.push(Arc::new(self.reference(reference)?));
        }
        let mut conditioning = Conditioning {
            prompt,
            guidance,
            guidance_scale: settings.guidance_scale,
            time_ids: settings.micro_conditioning.time_ids(size),
            regions,
            references,
        };
        self.pad_to_longest(prompts_of(&mut conditioning))?;
        Ok(conditioning)
    }

    /// What the painting UNet is told for a source prompt, without guidance, and for the settings,
    /// both of one length.
    pub(super) fn paired_conditioning(
        &mut self,
        source_prompt: &str,
        settings: &RenderSettings,
        size: (u32, u32),
    ) -> Result<[Conditioning; 2], PipelineError> {
        let source = self.text.embed(&self.model, source_prompt)?;
        let mut source = unguided(source, settings, size);
        let mut target = self.conditioning(settings, size)?;
        let mut prompts = prompts_of(&mut target);
        prompts.push(&mut source.prompt);
        self.pad_to_longest(prompts)?;
        Ok([source, target])
    }

    /// The prompt and the guidance with, where it has one, the negative prompt.
    fn embed_prompts(
        &mut self,
        settings: &RenderSettings,
    ) -> Result<(TextEmbedding, Guidance), PipelineError> {
        let (model, text) = (&self.model, &mut self.text);
        let prompt = text.embed(model, &settings.prompt)?;
        let takes_sizes = model.denoiser().config().takes_sizes();
        let zeros = takes_sizes && model.force_zeros_for_empty_prompt;
        let guidance = Guidance::new(model, settings, || match &settings.negative_prompt {
            None if zeros => prompt.zeros_like(),
            negative => text.embed(model, negative.as_deref().unwrap_or_default()),
        })?;
        Ok((prompt, guidance))
    }

    /// Makes prompts that go in one batch as long as the longest of them.
    fn pad_to_longest(&mut self, prompts: Vec<&mut TextEmbedding>) -> Result<(), PipelineError> {
        let tokens = prompts.iter().map(|prompt| prompt.tokens()).max();
        for prompt in prompts {
            if Some(prompt.tokens()) < tokens {
                let empty = self.text.embed(&self.model, "")?;
                *prompt = prompt.padded(tokens.unwrap_or_default(), &empty)?;
            }
        }
        Ok(())
    }
}

/// All prompts that a UNet is told in one batch.
fn prompts_of(conditioning: &mut Conditioning) -> Vec<&mut TextEmbedding> {
    let mut prompts = vec![&mut conditioning.prompt];
    prompts.extend(conditioning.guidance.negative_mut());
    prompts.extend(conditioning.regions.iter_mut().map(|(prompt, _)| prompt));
    prompts
}

/// What a UNet is told of one prompt alone.
fn unguided(prompt: TextEmbedding, settings: &RenderSettings, size: (u32, u32)) -> Conditioning {
    Conditioning {
        prompt,
        guidance: Guidance::Off,
        guidance_scale: 1.0,
        time_ids: settings.micro_conditioning.time_ids(size),
        regions: Vec::new(),
        references: Vec::new(),
    }
}
