// What engines still prove of branches that nobody holds: it is asked for when a client asks, swept up, and deleted in the end.
import { judgeProofs } from '../../src/coordinator/engine/question.ts';
import type { Chooser } from './chooser.ts';
import { proofAtEngine } from './engine.ts';
import { claimedMask } from './judges.ts';
import { Flag, Local, OPENINGS, type Opening } from './layout.ts';
import { bqualOf } from './names.ts';
import type { Site } from './site.ts';
import { asked, remember } from './telling.ts';
import type { World } from './world.ts';

export function evidenceActions(chooser: Chooser, branch: number): void {
  const { world, isFair, from } = chooser;
  if (isFair) {
    return; // Nothing ends by them.
  }
  if (world.flagOf(from, Flag.life) > 0) {
    look(chooser, branch);
  }
  const swept = sweptRow(chooser.site(branch));
  if (swept !== undefined) {
    sweep(chooser, branch, swept);
    chooser.at('marker goes', branch, 0, (site, next) => {
      // `Evidence` sends the deletion behind a forced write that came after the finished record, so that this one is durable.
      const mayGo = next.logs.facts(next.log).isFinishedDurable && site.isAttached;
      site.set(Local.markerGone, 1);
      return mayGo;
    });
  }
}

/** Only one branch is named, so that the log's silence proves nothing: its engine is asked. */
function look(chooser: Chooser, branch: number): void {
  chooser.at('looks', branch, 0, (site, world) => {
    if (!isAsked(world, branch) || !site.isAttached || site.facts.isUnprepared) {
      return false;
    }
    const before = site.local;
    const proof = proofAtEngine(site, site.isPrepared ? site.heldEvidence : 0);
    const { noted } = judgeProofs([{ bqual: bqualOf(branch), proof }]);
    site.save(world.words, branch);
    if (noted !== undefined) {
      remember(world, noted.outcome, branch);
      site.load(world.words, branch, chooser.instance);
    }
    return noted !== undefined || site.local !== before;
  });
}

function isAsked(world: World, branch: number): boolean {
  const claimed = claimedMask(world.words, world.configuration.branches);
  return world.isLookedUp && claimed === 1 << branch && asked(world, claimed).kind === 'ask';
}

/** The participant reports its rows now and again. Those of branches in its table it keeps to itself. */
function sweep(chooser: Chooser, branch: number, opening: Opening): void {
  chooser.at('swept', branch, 0, (site, world) => {
    if (!site.isAttached || site.facts.isUnprepared || site.facts.isPrepared) {
      return false;
    }
    const { isNoted, mayGo } = world.entrances.swept({ branch, opening }, world.coordinator, world.standing());
    const isNews = isNoted && world.isLookedUp && world.flag(Flag.remembered) === 0;
    if (isNews) {
      site.save(world.words, branch);
      remember(world, 'committed', branch);
      site.load(world.words, branch, chooser.instance);
    }
    if (mayGo) {
      site.set(Local.markerGone, 1);
    }
    return isNews || mayGo;
  });
}

/** Its engine keeps a row that proves a commit, which is swept. */
function sweptRow(site: Site): Opening | undefined {
  return site.sweeps ? OPENINGS.find((opening) => site.hasRow(opening)) : undefined;
}
